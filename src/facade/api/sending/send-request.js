'use strict';

const requests = require('../../bridge/pending-requests.js');
const diagnostics = require('../../support/diagnostics.js');

/** Maximum number of times that a refused transaction is sent again. */
const MOST_ATTEMPTS = 10;

/** Request of one job that is sent. Its promise resolves with the job. */
class SendRequest extends requests.Request {
  #wait;
  /** Counts of the producer; null after a failure. */
  #counts;
  /** Published message, if a channel has a subscriber. */
  #message;
  /** Sends a transaction again; `null` for a send without one. */
  #again = null;
  #attempts = 0;
  #isSent = false;
  /** Reply to a send with an id. */
  #once = null;
  /** True if a server that takes no writes has refused the transaction. */
  #isRefused = false;
  /** Puts the payload back into the job after a failure, if there is any. */
  #restore;

  constructor(job, wait, counts, message, restore) {
    super(job);
    this.#wait = wait;
    this.#restore = restore;
    this.#counts = counts;
    this.#message = message;
    counts.begun++;
  }

  /**
   * Notes that Redis has the entry, though the end of its transaction will be refused to a user without MULTI.
   * @param {number} _index
   * @param {string | null} sent the entry of a send with an id; behind it the send and the job, if it was an earlier one
   */
  value(_index, sent) {
    if (sent === null) this.#isSent = true;
    else this.#once = sent;
  }

  /** Sets the function that sends a transaction again that a demoted server has refused as a whole. */
  repeatWith(again) {
    this.#again = again;
  }

  done() {
    if (this.#isRefused) {
      this.#isRefused = false;
      this.#again();
      return;
    }
    if (this.#counts !== null) {
      this.#counts.sent++;
      if (this.#message !== null) diagnostics.channels.sent.publish(this.#message);
    }
    const [wait, job] = [this.#wait, this.result];
    try {
      if (this.#once !== null) identify(job, this.#once);
      if (wait && this.#wait !== null) job.finished = (options) => wait.finished(options, job);
    } catch (error) {
      // The job was frozen meanwhile. The error must not affect other replies of the burst.
      super.failed(error);
    }
    super.done();
  }

  failed(error) {
    if (this.#isSent) return;
    // The connection goes to the new primary, as it does with a single command. The last attempt reports its error.
    this.#isRefused ||= this.#again !== null && error.code === 'READONLY' && this.#attempts++ < MOST_ATTEMPTS;
    if (this.#isRefused) return;
    this.#wait?.cancel();
    this.#wait = null;
    this.#restore?.();
    this.#restore = null;
    Reflect.deleteProperty(this.result, 'finished');
    this.#refused(error);
    super.failed(error);
  }

  /** Counts and publishes a failure. `done()` is called after it too. */
  #refused(error) {
    if (this.#counts === null) return;
    this.#counts.failed++;
    this.#counts = null;
    if (this.#message !== null) diagnostics.channels.sent.publish(Object.assign(this.#message, { error }));
  }
}

/** Tells a job its entry, which a delayed send has not yet. The job of a duplicate becomes that of the first send. */
function identify(job, sent) {
  const [entryId, , ...words] = sent.split(' ');
  job.entryId = entryId === '-' ? undefined : entryId;
  job.duplicate = words.length > 0;
  if (job.duplicate) job.id = words.join(' ');
}

module.exports = { SendRequest };
