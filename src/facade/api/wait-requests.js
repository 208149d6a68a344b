'use strict';

const { Operation } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const { finishTimeout } = require('./finish-timeout.js');
const { Job } = require('./job.js');
const requests = require('../bridge/pending-requests.js');

/** Shared part of a producer's waits. It must not refer to a wait, so that waits can be collected. */
class WaitRequests {
  #native;
  #isPartitioned;

  /**
   * @param {import('../../../native.js').NativeProducer} native
   * @param {boolean} isPartitioned true if the bus has several nodes
   * @param {{ finished: number, timedOut: number }} counts counts of the producer
   * @param {(options: object, about: object) => object} results makes the reader of a result
   */
  constructor(native, isPartitioned, counts, results) {
    this.#native = native;
    this.#isPartitioned = isPartitioned;
    this.counts = counts;
    this.results = results;
  }

  /** Returns a function that makes the engine drop a wait. */
  forgetter(number) {
    const native = this.#native;
    return () => {
      packetWriter.begin(Operation.ForgetWait);
      packetWriter.writeNumber(native.number);
      packetWriter.writeNumber(number);
      packetWriter.end();
    };
  }

  /** Queries Redis once, for at most 250 ms, and calls back with the error and diagnosis of a timeout. */
  explain(number, job, timeout, callback) {
    const about = { isPartitioned: this.#isPartitioned, unpushed: Job.unpushed(job) };
    const request = new Explanation((text) => callback(finishTimeout(timeout, text, about)));
    packetWriter.begin(Operation.Diagnose);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeNumber(number);
    packetWriter.writeRequest(request);
    packetWriter.end();
  }
}

class Explanation extends requests.Request {
  #callback;

  constructor(callback) {
    super(null);
    this.#callback = callback;
  }

  value(_, text) {
    this.result = text;
  }

  /** Ignores a failed query: the error has no diagnosis then. */
  failed() {}

  done() {
    this.#callback(this.result);
  }
}

module.exports = { WaitRequests };
