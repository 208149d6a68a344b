'use strict';

const packetWriter = require('../../bridge/packet-writer.js');

const NO_GROUPS = [];

/** Maximum number of combinations of stream and groups that are kept. */
const MOST_PLANS = 1000;

/** Plans of a producer: the combinations of stream and groups that the engine knows by a number. */
class SendPlans {
  #native;
  #partitions;
  #plans = new Map();
  /** Plan of the last send; most sends have the same. */
  #last = null;

  /**
   * @param {import('../../../../native.js').NativeProducer} native
   * @param {import('../partitioning/sent-partitions.js').SentPartitions} partitions
   */
  constructor(native, partitions) {
    this.#native = native;
    this.#partitions = partitions;
  }

  /** Makes room for the plans of one unit, so that none is forgotten while the others are in use. */
  reserve(count) {
    if (this.#plans.size + count > MOST_PLANS) this.#forget();
  }

  /**
   * Returns the number of the plan of an entry.
   * @param {boolean} hasOthers true while further plans of the same unit are in use
   */
  numberOf({ name, leadsBy, groups, partitions }, hasOthers) {
    const awaited = groups ?? NO_GROUPS;
    const last = this.#last;
    const isLast = last !== null && last.name === name && last.leadsBy === leadsBy && last.partitions === partitions;
    if (isLast && isSame(last.awaited, awaited)) return last.plan;
    const key = JSON.stringify([name, leadsBy, awaited, partitions]);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      if (!hasOthers && this.#plans.size >= MOST_PLANS) this.#forget();
      if (partitions > 0) this.#partitions.namesOf(name, partitions);
      plan = this.#native.plan(name, leadsBy, awaited, partitions);
      this.#plans.set(key, plan);
    }
    this.#last = { name, leadsBy, awaited, partitions, plan };
    return plan;
  }

  #forget() {
    // Packed sends refer to plans by number.
    packetWriter.flush();
    this.#plans.clear();
    this.#last = null;
    this.#native.forgetPlans();
  }
}

function isSame(left, right) {
  return left.length === right.length && left.every((name, at) => name === right[at]);
}

module.exports = { SendPlans };
