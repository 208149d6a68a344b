'use strict';

const { Operation } = require('../../bridge/native.js');
const packetWriter = require('../../bridge/packet-writer.js');
const requests = require('../../bridge/pending-requests.js');
const { errorData } = require('../../support/serialize-error.js');
const { Job } = require('../job.js');
const { copied } = require('../payload/payload-values.js');

/** Writes the settlements of a consumer's jobs into the packet. */
class SettlementWriter {
  #native;
  #connection;
  #onFailure;
  /** Settled jobs of this tick: token, request, token, request… */
  #settled = [];

  /**
   * @param {import('../../../../native.js').NativeConsumer} native
   * @param {import('../connection-manager.js').ConnectionManager} connection
   * @param {(error: Error, job: Job) => void} onFailure called for a failed settlement that is not awaited
   */
  constructor(native, connection, onFailure) {
    this.#native = native;
    this.#connection = connection;
    this.#onFailure = onFailure;
  }

  /** Settles a job. Returns a promise of the settlement if `awaited`. */
  settle(run, data, awaited, unrecoverable) {
    const request = awaited ? new SettleRequest() : null;
    const changes = data === null ? Job.changes(run.job) : null;
    if (changes !== null) {
      this.#settleWith(run, changes, request);
    } else if (data === null) {
      if (this.#settled.length === 0) packetWriter.settle(this);
      this.#settled.push(run.token, awaited ? requests.add(request) : 0);
    } else {
      this.#writeReject(run, data, request, unrecoverable);
    }
    return request?.promise;
  }

  /** Frees the slot of a job that continues to run. */
  release(run) {
    packetWriter.begin(Operation.Release);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeNumber(run.token);
    packetWriter.end();
  }

  /** Writes the settled jobs of this tick into the packet. */
  writeSettled() {
    packetWriter.begin(Operation.Resolve);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeNumber(this.#settled.length / 2);
    for (const number of this.#settled) packetWriter.writeNumber(number);
    packetWriter.end();
    this.#settled = [];
  }

  /** Settles a job with its payload changes: in one transaction, or one after the other if they are on other servers. */
  #settleWith(run, changes, request) {
    const isTogether = this.#connection.hasOneServer && run.job.id === changes.jobId;
    if (changes.writes.length === 0 || isTogether) this.#writeResolveWith(run, changes, request);
    else this.#settleApart(run, changes, request);
  }

  /**
   * Writes the values, and then settles. The engine removes the keys last: a crash in between never removes the input of an
   * entry that is not acknowledged.
   */
  async #settleApart(run, changes, request) {
    const { removals, writes } = changes;
    // The job has ended, so its bytes can change while the values are written.
    const answers = changes.answers.map(([key, value]) => [key, copied(value)]);
    try {
      await Job.pushSets(run.job, writes);
    } catch (error) {
      // The values are the result of the job, so it has failed.
      this.#writeReject(run, errorData(error), null, false);
      if (request === null) this.#onFailure(error, run.job);
      else request.failed(error);
      return;
    }
    this.#writeResolveWith(run, { removals, writes: [], answers }, request);
  }

  #writeResolveWith(run, { removals, writes, answers }, request) {
    this.#begin(Operation.ResolveWith, run, request);
    packetWriter.writeNumber(removals.length);
    packetWriter.writeNumber(writes.length);
    packetWriter.writeNumber(answers.length);
    for (const key of removals) packetWriter.writeString(key);
    for (const { key, value, timeout } of writes) {
      packetWriter.writeString(key);
      packetWriter.writeNumber(timeout);
      packetWriter.writeWord(value);
    }
    for (const [key, value] of answers) {
      packetWriter.writeString(key);
      packetWriter.writeWord(value);
    }
    packetWriter.end();
  }

  #writeReject(run, data, request, unrecoverable) {
    this.#begin(Operation.Reject, run, request);
    packetWriter.writeNumber(unrecoverable ? 1 : 0);
    packetWriter.writeString(data);
    packetWriter.end();
  }

  /** Begins the unit of one job's settlement. */
  #begin(operation, run, request) {
    packetWriter.begin(operation);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeNumber(run.token);
    if (request !== null) packetWriter.writeRequest(request);
    else packetWriter.writeNumber(0);
  }
}

/** Request whose promise can stay unused: a failure of an unused promise must not crash the process. */
class SettleRequest extends requests.Request {
  constructor() {
    super(undefined);
    this.promise.catch(() => {});
  }
}

module.exports = { SettlementWriter };
