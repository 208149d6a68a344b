'use strict';

const { Operation } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const { finishTimeout } = require('./finish-timeout.js');
const { Job } = require('./job.js');
const requests = require('../bridge/pending-requests.js');

/** What the waits of a producer have in common. It must not hold on to a wait, which would never be collected then. */
class WaitRequests {
  #native;
  #isPartitioned;

  /**
   * @param {import('../../../native.js').NativeProducer} native
   * @param {boolean} isPartitioned whether the bus has several nodes
   * @param {{ finished: number, timedOut: number }} counts the producer's
   */
  constructor(native, isPartitioned, counts) {
    this.#native = native;
    this.#isPartitioned = isPartitioned;
    this.counts = counts;
  }

  /** Makes what tells the engine to forget a wait. */
  forgetter(number) {
    const native = this.#native;
    return () => {
      packetWriter.begin(Operation.ForgetWait);
      packetWriter.writeNumber(native.number);
      packetWriter.writeNumber(number);
      packetWriter.end();
    };
  }

  /** Has Redis looked at once, for a quarter of a second at most, and tells with the error of a wait why it takes so long. */
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

  /** Without an answer of Redis the error is told without a reason. */
  failed() {}

  done() {
    this.#callback(this.result);
  }
}

module.exports = { WaitRequests };
