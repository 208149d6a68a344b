'use strict';

const { Job } = require('../job.js');
const { Delivery } = require('../payload/delivery.js');
const { SlotValues } = require('./slot-values.js');

/** Values that jobs get when they start: payloads, headers, and the fencing numbers of their partitions. */
class StartValues {
  /** Payloads that came with the entries, by token. */
  #carried = new SlotValues();
  /** Payloads that were read in advance, by token and key. */
  #prefetched = new SlotValues();
  /** Headers of the entries, by token. */
  #headers = new SlotValues();
  /** Fencing numbers of the partitions that the consumer owns, by the index of their stream; null without ordered streams. */
  #fences = null;
  /** True if every removal of a payload key waits for the settlement. */
  #defersRemovals;

  /** @param {boolean} defersRemovals true if every removal of a payload key waits for the settlement */
  constructor(defersRemovals) {
    this.#defersRemovals = defersRemovals;
  }

  carry(token, carried) {
    this.#carried.set(token, carried);
  }

  prefetch(token, key, payload) {
    const payloads = this.#prefetched.get(token) ?? new Map();
    this.#prefetched.set(token, payloads.set(key, payload));
  }

  setHeaders(token, headers) {
    this.#headers.set(token, headers);
  }

  /** Removes and returns the headers of a job. */
  takeHeaders(token) {
    return this.#headers.take(token) ?? {};
  }

  /** Notes the fencing number of a partition; 0 for one that is not owned any more. Returns the number before. */
  own(index, fence) {
    this.#fences ??= new Map();
    const before = this.#fences.get(index);
    if (fence > 0) this.#fences.set(index, fence);
    else this.#fences.delete(index);
    return before;
  }

  /** Passes its values to a job that starts. */
  pass(run, stream) {
    if (this.#defersRemovals || !this.#carried.isEmpty) this.#deliver(run);
    if (!this.#prefetched.isEmpty) this.#bring(run);
    if (this.#fences !== null) this.#fence(run, stream);
  }

  /** Drops the values of jobs that do not start any more. */
  clear() {
    this.#carried.clear();
    this.#prefetched.clear();
    this.#headers.clear();
  }

  #deliver({ token, job }) {
    const carried = this.#carried.take(token);
    if (carried === undefined && !this.#defersRemovals) return;
    if (carried !== undefined && carried.key !== null) job.key = carried.key;
    const delivery = new Delivery(job.id, this.#defersRemovals);
    if (carried !== undefined) delivery.carry(carried);
    Job.deliver(job, delivery);
  }

  #bring({ token, job }) {
    const payloads = this.#prefetched.take(token);
    if (payloads) Job.bring(job, payloads);
  }

  #fence({ job }, stream) {
    const fence = this.#fences.get(stream);
    if (fence !== undefined) job.fence = fence;
  }
}

module.exports = { StartValues };
