'use strict';

/** Names that collide often, values of the lengths that matter, and what is none of either. */

const KEYS = ['k1', 'k2', 'k3', 'k4'];
/** Mostly the first, so that commands find what others have left. */
const STREAMS = ['s1', 's1', 's1', 's2', 's3'];
const GROUPS = ['g1', 'g1', 'g1', 'g2'];
const CONSUMERS = ['c1', 'c1', 'c2', 'c3'];
/** How far back entries are named. */
const BACK = 8;
const CHANNELS = ['ch:1', 'ch:2', 'other'];
const PATTERNS = ['ch:*', 'ch:[12]', '*', 'x?'];
const FIELDS = ['job', 'prd', 'a', '12'];

class Words {
  #random;
  /** Whether the servers name entries, so that ids are known only afterwards. */
  #named;
  #last = 0;
  /** How many entries the servers have been asked to name. */
  #asked = 0;

  /** @param {import('../../faults/random.js').Random} random */
  constructor(random, named) {
    this.#random = random;
    this.#named = named;
  }

  /** True so often. */
  chance(odds) {
    return this.#random.next() < odds;
  }

  below(limit) {
    return Math.floor(this.#random.next() * limit);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  some(list, most = 3) {
    return Array.from({ length: 1 + this.below(most) }, () => this.pick(list));
  }

  /** Mostly of the first kind. */
  #either(common, rare, odds = 0.12) {
    return this.pick(this.chance(odds) ? rare : common);
  }

  key = () => this.#either(KEYS, ['s3', 's3', 's1', 'none']);
  stream = () => this.#either(STREAMS, ['k1', 'none']);
  anyKey = () => this.#either(KEYS, ['s3', 's3', 's1']);
  group = () => this.#either(GROUPS, ['nobody']);
  consumer = () => this.pick(CONSUMERS);
  channel = () => this.pick(CHANNELS);
  pattern = () => this.pick(PATTERNS);

  number = () => this.#either(['0', '1', '2', '3', '10'], ['-1', '-0', '007', 'x', '1.5', '99999999999999999999', '']);
  count = () => this.#either(['1', '2', '3', '5', '100'], ['0', '-1', 'x', '']);
  /** So long that it does not pass meanwhile, or passed long ago. */
  seconds = () => this.#either(['100', '200', '300'], ['0', '-5', 'x', '9223372036854775807']);
  ms = () => this.#either(['100000', '200000', '300000'], ['0', '-5', 'x', '9223372036854775807']);
  /** Either everything has been idle for so long, or nothing has. */
  idle = () => this.#either(['0', '1000000'], ['-1', 'x']);

  value() {
    return this.#either(
      ['a', 'bc', '12', '-7', '300', '', 'x'.repeat(70)],
      ['y'.repeat(300), 'z'.repeat(3000), '007', 'ä\r\n"', '70000', '9223372036854775807'],
    );
  }

  field = () => this.pick(FIELDS);

  /** The id of an entry that may be there. */
  id() {
    if (this.#named && this.chance(0.8)) return `@${Math.max(0, this.#asked - 1 - this.below(BACK))}`;
    const time = Math.max(0, this.#last + 1 - this.below(BACK));
    return this.#either(
      [`${time}-0`, `${time}-${this.below(3)}`, `${time}`],
      ['0-0', '-', '+', 'x', '5-', '1-2-3', '18446744073709551615-18446744073709551615', '18446744073709551616'],
    );
  }

  /** What XADD is to call an entry. */
  newId() {
    if (this.#named) {
      this.#asked++;
      return this.chance(0.95) ? '*' : this.id();
    }
    if (this.chance(0.1)) return this.id();
    if (this.chance(0.15)) return `${this.#last}-*`;
    this.#last += this.chance(0.9) ? 1 : this.below(3);
    return `${this.#last}-${this.chance(0.8) ? 0 : this.below(3)}`;
  }

  start = () => (this.chance(0.5) ? '-' : this.chance(0.3) ? `(${this.id()}` : this.id());
  end = () => (this.chance(0.5) ? '+' : this.chance(0.3) ? `(${this.id()}` : this.id());

  /** The word in any case. */
  cased(word) {
    return this.chance(0.2) ? word.toLowerCase() : word;
  }
}

module.exports = { Words };
