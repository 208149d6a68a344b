'use strict';

const checks = require('../../options/validate.js');
const requests = require('../../bridge/pending-requests.js');

/** Time after which a count is asked for again, in ms. */
const REFRESH = 2000;
/** Maximum number of partitions of a stream. */
const MOST_PARTITIONS = 4096;
/** Default and longest time of a lease, in ms. */
const DEFAULT_LEASE = 5000;
const LONGEST_LEASE = 3_600_000;
/** Maximum size of a key, in bytes. */
const LARGEST_KEY = 512;

/** Number of streams whose counts are kept. Beyond it, those are forgotten that were not used for the longest time. */
const MOST_STREAMS = 1024;
/** Number of streams that one new stream looks at, to forget some of them. */
const MOST_LOOKS = 4;

/** Counts of the partitions of streams, as Redis has them. All producers and consumers of a bus share them. */
class PartitionCounts {
  #native;
  /** Counts by stream: the count in force, the time of the last question, and the question under way. In the order of these times. */
  #streams = new Map();

  /** @param {import('../../../../native.js').NativeBus} native */
  constructor(native) {
    this.#native = native;
  }

  /** Returns the count if it is known and not below `least`; 0 otherwise. Asks for it again after a while. */
  known(stream, least) {
    const known = this.#streams.get(stream);
    // Earlier sends wait for the count, and a later one must not overtake them.
    if (known === undefined || known.count < least || known.waiting > 0) return 0;
    if (performance.now() - known.askedAt > REFRESH) this.agree(stream, known.count).catch(() => {});
    return known.count;
  }

  /** Resolves with the count in force, after it was raised to `least` if it was lower. */
  agree(stream, least) {
    const known = this.#of(stream);
    if (known.asking !== null && known.asking.least >= least) return known.asking.promise;
    known.askedAt = performance.now();
    // A stream that is used is asked for again, so it is among the last ones.
    this.#streams.delete(stream);
    this.#streams.set(stream, known);
    const request = new CountRequest(0);
    const asking = { least, promise: null };
    const end = () => {
      if (known.asking === asking) known.asking = null;
      this.#forget();
    };
    asking.promise = request.promise.finally(end).then((count) => {
      known.count = Math.max(known.count, count);
      return known.count;
    });
    known.asking = asking;
    this.#native.declarePartitions(requests.add(request), stream, least);
    return asking.promise;
  }

  /** Calls `next` with the count in force, in the order of the calls. Rejects if the count cannot be agreed on. */
  async after(stream, least, next) {
    const known = this.#of(stream);
    known.waiting++;
    try {
      const isKnown = known.count >= least && known.asking === null;
      next(await (isKnown ? known.count : this.agree(stream, least)));
    } finally {
      known.waiting--;
      this.#forget();
    }
  }

  /** Returns the names of the streams of `count` partitions. */
  namesOf(stream, count) {
    const known = this.#of(stream);
    if (known.names.length !== count) known.names = this.#native.partitionNames(stream, count);
    return known.names;
  }

  /** Resolves when the sends of one transaction have the counts in force. */
  async agreeAll(entries) {
    for (const entry of entries) {
      if (entry.partitions < entry.least) entry.partitions = await this.agree(entry.name, entry.least);
    }
  }

  #of(stream) {
    let known = this.#streams.get(stream);
    if (known === undefined) {
      known = { count: 0, names: [], askedAt: 0, asking: null, waiting: 0 };
      this.#streams.set(stream, known);
      this.#forget();
    }
    return known;
  }

  /** Number of streams whose counts are kept. */
  get size() {
    return this.#streams.size;
  }

  /** Forgets the streams that were not used for the longest time, beyond the limit. Those that are waited for stay. */
  #forget() {
    for (let looks = 0; looks < MOST_LOOKS && this.#streams.size > MOST_STREAMS; looks++) {
      const [stream, known] = this.#streams.entries().next().value;
      this.#streams.delete(stream);
      if (known.waiting > 0 || known.asking !== null) this.#streams.set(stream, known);
    }
  }
}

/** Request whose value is a count. */
class CountRequest extends requests.Request {
  called(_index, _error, count) {
    this.result = count;
  }
}

/**
 * Returns the time of a lease of ordered partitions, in ms; 0 for jobs without an order.
 * @param {unknown} ordered
 * @param {{ least: number, claimInterval: number | undefined }} about least count of partitions, and interval of claim cycles
 */
function leaseTime(ordered, { least, claimInterval }) {
  if (ordered === undefined || ordered === null || ordered === false) return 0;
  if (ordered !== true && typeof ordered !== 'object') throw new TypeError('ordered must be a boolean or an object');
  if (least === 0) throw new TypeError('ordered needs partitions');
  // A job that failed blocks its key until it has run again.
  if (!(claimInterval > 0)) throw new TypeError('ordered needs a consumer with claimInterval');
  return checks.count('ordered.lease', ordered.lease, { least: 100, most: LONGEST_LEASE, fallback: DEFAULT_LEASE });
}

/** Returns the least count of partitions; 0 for a stream without partitions. */
function partitionCount(partitions) {
  return checks.count('partitions', partitions, { least: 1, most: MOST_PARTITIONS, fallback: 0 });
}

/** Returns the key that leads a job to a partition; `null` without one. */
function orderKey(given) {
  if (given === undefined || given === null) return null;
  const key = checks.name('key', given);
  // A unit of a string has at most three bytes.
  if (key.length * 3 > LARGEST_KEY && Buffer.byteLength(key) > LARGEST_KEY) {
    throw new RangeError(`key must have at most ${LARGEST_KEY} bytes`);
  }
  return key;
}

module.exports = { MOST_STREAMS, PartitionCounts, REFRESH, leaseTime, orderKey, partitionCount };
