'use strict';

const { channel } = require('node:diagnostics_channel');
const { ConnectionManager, optionsOf } = require('../../facade/api/connection-manager.js');
const { DeadLetters } = require('../../facade/api/dead-letters.js');
const { isBehind, isEntryId } = require('../../facade/redis/entry-ids.js');
const { Budget } = require('../../inspection/entry-pages.js');
const { HttpError } = require('./http-error.js');
const { everyLetter, isMatch, letter } = require('./views/letters.js');

/** Channel of node:diagnostics_channel with a message for each letter. */
const events = channel('hfxbus:dashboard');

/** Actions on a letter; each resolves with the fields that are reported of it. */
const ACTIONS = {
  replay: async (letters, found) => ({ entryId: await letters.replay(found) }),
  drop: async (letters, found) => ({ isDropped: await letters.drop(found) }),
};

/** Maximum number of letters in one request, and of letters that are searched for them. */
const MOST = 500;
const SEARCHED = { entries: 200_000, bytes: 2 ** 30, ms: 30_000 };
/** Number of letters that are acted on at the same time, and of failures in the response. */
const AT_ONCE = 16;
const FAILURES = 10;

/** Replays and drops dead letters, over connections of their own. */
class Actions {
  /** @type {Map<object, ConnectionManager>} */
  #managers = new Map();

  /**
   * Acts on letters. Resolves with the counts; `left` is true if there are more letters than one request takes.
   * @param {{ bus: import('./bus/bus.js').Bus, manager: object }} of
   * @param {object} request body of the request
   * @param {string | null} by name of the user
   */
  async run({ bus, manager }, request, by) {
    const { action, stream, letters, filter, newest } = checked(request);
    const wanted = letters
      ? await Promise.all(letters.map((one) => this.#letter(bus, stream, one)))
      : await this.#matching(bus, stream, filter, newest);
    const done = { done: 0, missing: 0, failed: 0, failures: [], left: wanted.length > MOST };
    const given = new DeadLetters(this.#own(manager), stream);
    const queue = wanted.slice(0, MOST);
    const work = async () => {
      for (let found = queue.shift(); found !== undefined; found = queue.shift()) {
        if (found.isMissing) done.missing++;
        else count(done, await act(given, { action, bus: bus.name, stream, by }, found));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return done;
  }

  async close() {
    const managers = [...this.#managers.values()];
    this.#managers.clear();
    await Promise.all(managers.map((manager) => manager.stop({ force: true })));
  }

  async #letter(bus, stream, one) {
    try {
      return await letter(bus, stream, one);
    } catch (error) {
      if (error instanceof HttpError) return { isMissing: true };
      throw error;
    }
  }

  /** Returns a manager of the same bus, whose connections are closed with the dashboard. */
  #own(manager) {
    if (!this.#managers.has(manager)) this.#managers.set(manager, new ConnectionManager(defined(optionsOf(manager))));
    return this.#managers.get(manager);
  }

  /** Resolves with the oldest letters that match and that were there at the count. */
  async #matching(bus, stream, filter, newest) {
    const wasThere = ({ node, id }) => newest[node] !== undefined && !isBehind(id, newest[node]);
    const all = await everyLetter(bus, stream, new Budget(SEARCHED), (found) => {
      if (!wasThere(found) || !isMatch(found, filter)) return null;
      // The error is not needed, and many of them would take much memory.
      return { ...found, error: null };
    });
    return all.reverse();
  }
}

function defined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function act(letters, { action, ...about }, found) {
  const { id, node, jobId } = found;
  const message = { action, ...about, letter: { id, node, jobId, stream: found.stream, group: found.group } };
  try {
    const result = await ACTIONS[action](letters, found);
    events.publish({ ...message, ...result });
    return result;
  } catch (error) {
    events.publish({ ...message, error });
    return { error, id };
  }
}

function count(done, { error, id, isDropped, entryId }) {
  if (error && error.name === 'RangeError') done.missing++;
  else if (error) {
    done.failed++;
    if (done.failures.length < FAILURES) done.failures.push({ id, reason: error.message });
  } else if (entryId || isDropped) done.done++;
  else done.missing++;
}

/** Validates the body of a request. */
function checked({ action, stream, letters, filter = {}, newest }) {
  if (!Object.hasOwn(ACTIONS, action ?? '')) throw new HttpError(400, 'action must be replay or drop.');
  if (typeof stream !== 'string') throw new HttpError(400, 'stream must be a name.');
  const isLetter = (one) => typeof one?.id === 'string' && isEntryId(one.id) && Number.isInteger(one.node);
  const isList = Array.isArray(letters) && letters.length <= MOST && letters.every(isLetter);
  if (letters !== undefined && !isList) throw new HttpError(400, `letters must be up to ${MOST} ids with nodes.`);
  const text = (name) => (typeof filter?.[name] === 'string' ? filter[name] : '');
  if (!isList && !isNewest(newest))
    throw new HttpError(400, 'newest must have the id of the newest letter of each node.');
  const kept = { from: text('from'), group: text('group'), text: text('text') };
  return { action, stream, letters: isList ? letters : null, filter: kept, newest };
}

function isNewest(newest) {
  if (typeof newest !== 'object' || newest === null) return false;
  return Object.values(newest).every((id) => typeof id === 'string' && isEntryId(id));
}

module.exports = { Actions };
