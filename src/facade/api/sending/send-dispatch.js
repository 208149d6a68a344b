'use strict';

const { Wait } = require('../completion-wait.js');
const { Job } = require('../job.js');
const diagnostics = require('../../support/diagnostics.js');
const { Backlogs, withdraw } = require('./backlogs.js');
const { SendTogether } = require('./send-all.js');
const { checkOnce, payloadOf, payloadOrPublish } = require('./send-entry.js');
const { SendPacker } = require('./send-packer.js');
const { disconnectionOf, inParts } = require('./send-parts.js');
const { SendRequest } = require('./send-request.js');

/** Dispatch of a producer: begins sends with valid options, and packs each once nothing holds it back. */
class SendDispatch {
  #producer;
  #connection;
  #partitions;
  #waits;
  #onDelayed;
  #packer;
  /** Backlogs of the streams, with `backlogLimit`; `null` without. */
  #backlogs;

  /**
   * @param {import('../producer.js').Producer} producer
   * @param {import('../../../../native.js').NativeProducer} native
   * @param {object} use
   * @param {import('../partitioning/sent-partitions.js').SentPartitions} use.partitions
   * @param {import('../wait-requests.js').WaitRequests} use.waits
   * @param {() => void} use.onDelayed called when a delayed send begins
   */
  constructor(producer, native, { partitions, waits, onDelayed }) {
    const { connection } = producer;
    this.#producer = producer;
    this.#connection = connection;
    this.#partitions = partitions;
    this.#waits = waits;
    this.#onDelayed = onDelayed;
    this.#packer = new SendPacker(native, partitions);
    this.#backlogs = connection.retention.backlogLimit > 0 ? new Backlogs(connection) : null;
  }

  /** Sends a job. */
  send(entry) {
    const request = this.#begin(entry);
    this.#enter(request, entry);
    return request.promise;
  }

  /** Sends jobs in one write, or in one transaction. @returns a promise for each */
  sendAll(entries, isAtomic) {
    if (isAtomic) return this.#sendTogether(entries);
    const parts = inParts(entries, this.#connection.queueLimit);
    if (parts.length > 1) return this.#sendInParts(parts);
    return entries.map((entry) => this.#attempt(entry));
  }

  /** Takes the payload of a job that is sent, and begins its wait. */
  #begin(entry) {
    const { job, name, groups, endsAtError } = entry;
    // Before anything is packed or planned, since a subscriber can send jobs and push payloads.
    const message = diagnostics.hasSendSubscribers() ? this.#announce(job, name, groups, entry.headers) : null;
    const headers = message === null ? entry.headers : message.headers;
    entry.headers = headers && diagnostics.packHeaders(headers);
    const payload = message === null ? payloadOf(entry) : payloadOrPublish(entry, message);
    checkOnce(entry, payload, this.#connection);
    if (entry.once?.delay) this.#onDelayed();
    const restore = payload && Job.takeSendable(job, payload);
    entry.payload = payload;
    const owed = payload?.isOnlyCopy ? payload.returns : [];
    entry.wait = groups && new Wait(groups, endsAtError, this.#waits, owed, name);
    return new SendRequest(job, entry.wait, this.#waits.counts, message, restore);
  }

  /** Publishes a job that will be sent. @returns the message, to which subscribers can add headers */
  #announce(job, stream, groups, headers) {
    const message = { producer: this.#producer, job, stream, waitFor: groups ?? [], headers: headers ?? {} };
    diagnostics.channels.send.publish(message);
    return message;
  }

  /** Packs a send that has begun, once the count of its partitions is known and its stream has room for it. */
  #enter(request, entry) {
    if (entry.partitions < entry.least) {
      // A copy, since bytes can change until the count is there.
      entry.payload = entry.payload?.copy() ?? null;
      this.#enterAgreed(request, entry);
      return;
    }
    const admission = this.#backlogs === null ? null : this.#backlogs.admit([this.#partitions.place(entry)]);
    if (admission === null) this.#launch(request, entry);
    else this.#launchBehind(admission, request, [entry], () => this.#launch(request, entry));
  }

  async #enterAgreed(request, entry) {
    try {
      await this.#connection.partitionCounts.after(entry.name, entry.least, (count) => {
        entry.partitions = count;
        this.#enter(request, entry);
      });
    } catch (error) {
      request.failed(error);
    }
  }

  /** Packs what has begun after an admission. Later changes of bytes do not affect it. A refusal rejects the request. */
  async #launchBehind(admission, request, entries, launch) {
    for (const entry of entries) entry.payload = entry.payload?.copy() ?? null;
    try {
      await admission;
      launch();
    } catch (error) {
      for (const entry of entries) withdraw(entry);
      request.failed(error);
    }
  }

  /** Packs a send that has begun. */
  #launch(request, entry) {
    const { payload } = entry;
    const keys = payload === null ? [] : payload.keys;
    if (keys.length > 0 && !this.#connection.hasOneServer) {
      // A copy, since bytes can change until the keys are there.
      entry.payload = payload.withoutKeys();
      this.#packBehindKeys(request, entry, keys);
    } else {
      if (keys.length > 0 && entry.once === null) request.repeatWith(() => this.#packer.pack(request, entry));
      this.#packer.pack(request, entry);
    }
  }

  /** Packs a send once its payload keys, which are on another server, are there. */
  async #packBehindKeys(request, entry, keys) {
    try {
      await Job.pushSets(entry.job, keys);
    } catch (error) {
      withdraw(entry);
      request.failed(error);
      return;
    }
    this.#packer.pack(request, entry);
  }

  #attempt(entry) {
    try {
      return this.send(entry);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Begins all sends now, and packs each part after the one before it has ended. @returns a promise for each */
  #sendInParts(parts) {
    const promises = [];
    const begun = parts.map((part) => part.map((entry) => this.#beginIn(promises, entry)).filter(Boolean));
    this.#launchInParts(begun);
    return promises;
  }

  /** Begins a send and adds its promise. @returns the send; `null` after a failure */
  #beginIn(promises, entry) {
    try {
      const request = this.#begin(entry);
      promises.push(request.promise);
      return { request, entry };
    } catch (error) {
      promises.push(Promise.reject(error));
      return null;
    }
  }

  async #launchInParts(parts) {
    let disconnection = null;
    for (const part of parts) {
      for (const { request, entry } of part) {
        try {
          if (disconnection !== null) throw disconnection;
          this.#enter(request, entry);
        } catch (error) {
          request.failed(error);
        }
      }
      const results = await Promise.allSettled(part.map(({ request }) => request.promise));
      // A later part would open a stopped bus again, or wait for Redis once more.
      disconnection ??= disconnectionOf(results);
    }
  }

  /** Sends jobs in one transaction. @returns a promise for each */
  #sendTogether(entries) {
    const request = new SendTogether();
    try {
      for (const entry of entries) request.add(this.#begin(entry));
      const admission = this.#admissionOf(entries);
      if (admission === null) this.#packer.packTogether(request, entries);
      else this.#launchBehind(admission, request, entries, () => this.#packer.packTogether(request, entries));
    } catch (error) {
      entries.forEach(withdraw);
      request.failed(error);
      throw error;
    }
    return request.promises;
  }

  /** Returns a promise of the counts of partitions and of room in the streams; `null` if there is nothing to wait for. */
  #admissionOf(entries) {
    const isCounted = entries.every(({ partitions, least }) => partitions >= least);
    if (!isCounted) return this.#connection.partitionCounts.agreeAll(entries).then(() => this.#admissionOf(entries));
    return this.#backlogs === null ? null : this.#backlogs.admit(entries.map((entry) => this.#partitions.place(entry)));
  }
}

module.exports = { SendDispatch };
