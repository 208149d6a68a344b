'use strict';

const { predecessor, successor } = require('../facade/redis/entry-ids.js');
const { FIRST_PAGE, nextCount, sizeOf } = require('../facade/redis/page-size.js');

/** Remainder of the work that a search can do. */
class Budget {
  #deadline;

  /** @param {{ entries?: number, bytes?: number, keys?: number, ms?: number }} limits each without a limit by default */
  constructor({ entries = Infinity, bytes = Infinity, keys = Infinity, ms = Infinity } = {}) {
    this.entries = entries;
    this.bytes = bytes;
    this.keys = keys;
    this.#deadline = performance.now() + ms;
  }

  /** Returns true if a limit is reached. */
  get isSpent() {
    return Math.min(this.entries, this.bytes, this.keys) <= 0 || performance.now() > this.#deadline;
  }
}

/**
 * Yields the entries of a stream in pages of `[id, fields]`, until the budget is spent.
 * @param {object} client
 * @param {string} key
 * @param {boolean} [options.isNewestFirst] the order; by default the oldest entry is first
 * @param {string} [options.from] first id
 * @param {Budget} [options.budget]
 */
async function* entryPages(client, key, { isNewestFirst = false, from, budget = new Budget() } = {}) {
  const [command, end, next] = isNewestFirst ? ['xrevrange', '-', predecessor] : ['xrange', '+', successor];
  let count = FIRST_PAGE;
  for (let at = from ?? (isNewestFirst ? '+' : '-'); at !== null && !budget.isSpent; ) {
    const wanted = Math.min(count, budget.entries);
    const page = await client.call(command, key, at, end, 'COUNT', wanted);
    const size = sizeOf(page);
    budget.entries -= page.length;
    budget.bytes -= size;
    if (page.length > 0) yield page;
    at = page.length < wanted ? null : next(page.at(-1)[0]);
    count = nextCount(page, size);
  }
}

module.exports = { Budget, entryPages };
