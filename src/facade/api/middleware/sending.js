'use strict';

const { setErrorKind } = require('../../support/errors.js');
const { JointSend } = require('./joint-send.js');
const { MiddlewareChain } = require('./middleware-chain.js');

/** Middleware of a producer, around its sends. */
class Sending {
  #chain = new MiddlewareChain();
  #producer;

  /** @param {import('../producer.js').Producer} producer */
  constructor(producer) {
    this.#producer = producer;
  }

  add(middleware) {
    this.#chain.add(middleware);
  }

  /**
   * Sends a job through the middleware. A failure of the send stays one, whatever the middleware does with it.
   * @param {object} entry valid options of the send
   * @param {(entry: object) => Promise<unknown>} dispatch sends the job
   */
  async send(entry, dispatch) {
    const { job, name, groups } = entry;
    const headers = {};
    let sent = null;
    const last = () => {
      entry.headers = headers;
      sent = dispatch(entry);
      return sent;
    };
    await this.#chain.run(job, { producer: this.#producer, stream: name, waitFor: groups ?? [], headers }, last);
    if (sent === null) throw skipped();
    return sent;
  }

  /**
   * Sends jobs through the middleware, in one write: each `next()` waits for those of the other jobs.
   * @param {object[]} entries valid options of the sends
   * @param {(entries: object[]) => Array<Promise<unknown>>} dispatch sends the jobs
   * @param {boolean} isAtomic true if all jobs are sent or none
   * @returns {Array<Promise<unknown>>} a promise for each job
   */
  sendAll(entries, dispatch, isAtomic) {
    const joint = new JointSend(entries, dispatch, isAtomic);
    return entries.map(async (entry) => {
      try {
        return await this.send(entry, () => joint.arrive(entry));
      } finally {
        joint.leave(entry);
      }
    });
  }
}

function skipped() {
  return setErrorKind(new Error('The job was not sent: a middleware ended without a call of next()'), 'SEND_SKIPPED');
}

module.exports = { Sending };
