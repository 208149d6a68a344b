'use strict';

const { CallRequest } = require('../../redis/call-request.js');
const { RedisCommand } = require('../../redis/redis-command.js');
const { setErrorKind } = require('../../support/errors.js');

/** Maximum age of a known backlog, in ms. A send after that has it queried again. */
const MOST_AGE = 250;
/** Share of the room, as a divisor, that a producer uses before it has the backlog queried again. */
const SHARES = 8;
/** Time for which a full stream is refused without another query, in ms. */
const FULL_FOR = 25;

/**
 * Backlog of one stream, as far as a producer knows it: the backlog by the last query, and its own sends since. Other producers
 * are known by queries only, so their sends of the last `MOST_AGE` ms can exceed the limit.
 */
class StreamBacklog {
  #link;
  #key;
  #name;
  #prefix;
  #limit;
  /** Result of the last query, or `null`. */
  #known = null;
  /** Time of that result. */
  #at = 0;
  /** Number of jobs that were admitted so far, and of those that were packed too. Payload keys of others come first. */
  #admitted = 0;
  #packed = 0;
  /** Number of jobs that were packed in front of the last query, whose result has them. */
  #packedBefore = 0;
  /** Query under way. */
  #asking = null;
  /** Number of sends that wait for a query. Later sends do not overtake them. */
  #waiting = 0;

  /**
   * @param {number} link number of the connection in the engine
   * @param {{ key: string, name: string, prefix: string }} stream key and name of the stream, and the prefix of its groups
   * @param {number} limit maximum backlog
   */
  constructor(link, { key, name, prefix }, limit) {
    this.#link = link;
    this.#key = key;
    this.#name = name;
    this.#prefix = prefix;
    this.#limit = limit;
  }

  /**
   * Admits a number of jobs.
   * @returns {Promise<void> | null} `null` if they can leave now. The promise rejects with `BACKLOG_FULL`
   */
  admit(count) {
    if (this.#waiting > 0 || this.#known === null || this.#room() < count) return this.#wait(count);
    const isOld = performance.now() - this.#at > MOST_AGE;
    // The more of the room is gone, the more the sends of others matter. A query has none that is not packed.
    const isUsed = this.#packed - this.#packedBefore > (this.#limit - this.#known.backlog) / SHARES;
    if (isOld || isUsed) this.#ask().catch(() => {});
    this.#admitted += count;
    return null;
  }

  /** True while admitted jobs are not packed, which another object would not know of. */
  get isAwaited() {
    return this.#waiting > 0 || this.#admitted > this.#packed;
  }

  /** Notes that an admitted job was packed. Queries from now on count it. */
  packed() {
    this.#packed++;
  }

  /** Takes the admission of jobs back that are not packed after all. */
  withdraw(count) {
    this.#admitted -= count;
  }

  #room() {
    return this.#limit - this.#known.backlog - (this.#admitted - this.#packedBefore);
  }

  async #wait(count) {
    this.#waiting++;
    try {
      const isFull = this.#known !== null && this.#room() < count;
      if (!isFull || performance.now() - this.#at > FULL_FOR) await this.#ask();
      else await undefined;
      if (this.#known !== null && this.#room() < count) throw this.#error(count);
      this.#admitted += count;
    } finally {
      this.#waiting--;
    }
  }

  /** Queries the backlog, once at a time. */
  #ask() {
    this.#asking ??= this.#query().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #query() {
    // Sends that were packed before this are executed before it.
    const packed = this.#packed;
    try {
      this.#known = await this.#read();
    } catch (error) {
      // The next send waits for another query.
      this.#known = null;
      throw error;
    }
    this.#at = performance.now();
    this.#packedBefore = packed;
  }

  async #read() {
    const commands = [
      new RedisCommand('xlen', [this.#key], false),
      new RedisCommand('xinfo', ['GROUPS', this.#key], false),
    ];
    const request = new CallRequest(commands, false);
    request.send(this.#link);
    const [[failed, length], [missing, groups]] = await request.promise;
    if (failed) throw failed;
    // XINFO has this code for a stream that does not exist.
    if (missing && missing.code !== 'ERR') throw missing;
    return backlogOf(length, missing ? [] : groups);
  }

  #error(count) {
    const { group: inRedis } = this.#known;
    const backlog = this.#limit - this.#room();
    const group = inRedis?.startsWith(this.#prefix) ? inRedis.slice(this.#prefix.length) : inRedis;
    const what = group === null ? 'that no group reads' : `that group ${group} has not acknowledged`;
    const more = count === 1 ? '' : `, and ${count} were to be sent`;
    const message = `Stream ${this.#name} has ${backlog} entries ${what}, and backlogLimit is ${this.#limit}${more}`;
    const error = Object.assign(new Error(message), { stream: this.#name, group, backlog });
    return setErrorKind(error, 'BACKLOG_FULL');
  }
}

/**
 * Returns the number of entries that the slowest group has not acknowledged, and its name in Redis. Without groups, and where Redis
 * does not know the lag of a group, that is the length of the stream.
 * @param {number} length
 * @param {Array<Array<unknown>>} groups reply to XINFO GROUPS
 */
function backlogOf(length, groups) {
  const each = groups.map((fields) => {
    const { name, lag = null, pending } = record(fields);
    return { group: name, backlog: lag === null ? length : lag + pending };
  });
  if (each.length === 0) return { group: null, backlog: length };
  return each.reduce((slowest, one) => (one.backlog > slowest.backlog ? one : slowest));
}

function record(fields) {
  const found = {};
  for (let at = 0; at < fields.length; at += 2) found[fields[at]] = fields[at + 1];
  return found;
}

module.exports = { StreamBacklog };
