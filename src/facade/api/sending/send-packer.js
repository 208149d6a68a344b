'use strict';

const { Operation, SendFlag } = require('../../bridge/native.js');
const packetWriter = require('../../bridge/packet-writer.js');
const { packed, withdraw } = require('./backlogs.js');
const { SendPlans } = require('./send-plans.js');

/** Packer of a producer: writes its sends into the packet of this tick. */
class SendPacker {
  #native;
  #plans;

  /**
   * @param {import('../../../../native.js').NativeProducer} native
   * @param {import('../partitioning/sent-partitions.js').SentPartitions} partitions
   */
  constructor(native, partitions) {
    this.#native = native;
    this.#plans = new SendPlans(native, partitions);
  }

  /** Packs a send. A failure rejects the request. */
  pack(request, entry) {
    try {
      const plan = this.#plans.numberOf(entry, false);
      packetWriter.begin(Operation.Send);
      packetWriter.writeNumber(this.#native.number);
      packetWriter.writeRequest(request);
      writeEntry(plan, entry);
      packetWriter.end();
      packed(entry);
    } catch (error) {
      withdraw(entry);
      request.failed(error);
    }
  }

  /** Packs the sends of one transaction as one unit. */
  packTogether(request, entries) {
    this.#plans.reserve(entries.length);
    const plans = entries.map((entry) => this.#plans.numberOf(entry, true));
    packetWriter.begin(Operation.SendTogether);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeRequest(request);
    packetWriter.writeNumber(entries.length);
    for (const [index, entry] of entries.entries()) writeEntry(plans[index], entry);
    packetWriter.end();
    entries.forEach(packed);
  }
}

/** Writes a send from its plan on. */
function writeEntry(plan, { id, cap, record, headers, key, endsAtError, wait, payload, once }) {
  packetWriter.writeNumber(plan);
  packetWriter.writeNumber(cap);
  packetWriter.writeNumber(wait ? wait.number : 0);
  packetWriter.writeNumber(
    (endsAtError ? SendFlag.EndsAtError : 0) |
      (headers ? SendFlag.Headers : 0) |
      (key !== null ? SendFlag.Key : 0) |
      (payload ? payload.flags : 0) |
      (once ? onceFlags(once) : 0),
  );
  packetWriter.writeNumber(record);
  packetWriter.writeString(id);
  if (headers) packetWriter.writeString(headers);
  if (key !== null) packetWriter.writeString(key);
  payload?.write();
  if (once) {
    packetWriter.writeString(once.id);
    packetWriter.writeNumber(once.ttl);
    if (once.delay) packetWriter.writeNumber(once.delay);
    if (once.due) packetWriter.writeNumber(once.due);
  }
}

function onceFlags({ delay, due, isOfJob }) {
  const ofDelay = (delay ? SendFlag.Delayed : 0) | (due ? SendFlag.Due : 0);
  return SendFlag.Once | ofDelay | (isOfJob ? SendFlag.OfJob : 0);
}

module.exports = { SendPacker };
