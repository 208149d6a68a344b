'use strict';

const { signalOf, whenAborted } = require('../support/abort.js');
const checks = require('../options/validate.js');
const { closedError } = require('../support/errors.js');
const { startTimer } = require('../support/long-timer.js');
const waits = require('../bridge/wait-registry.js');
const { isAmbiguous, namesOf } = require('../support/wire-name.js');

/** Whether it is not just a timeout. */
function isOptions(given) {
  return typeof given === 'object' && given !== null && ('timeout' in given || 'signal' in given);
}

/** Waits for the completions of one job: what `job.finished()` is about. */
class Wait {
  #completions = {};
  #state = 'open';
  #rejectOnError;
  /** The producer's. */
  #home;
  #failed = false;
  /** Mostly one, so it is no Set. */
  #awaiting = [];
  /** Whether it was there the last time when waits were swept. */
  isOld = false;

  /**
   * @param {string[]} groups the groups whose completions are waited for
   * @param {boolean} rejectOnError whether the first error ends the wait, and rejects
   * @param {import('./wait-requests.js').WaitRequests} home the producer's
   */
  constructor(groups, rejectOnError, home) {
    for (const group of groups) this.#note(group, null);
    this.#rejectOnError = rejectOnError;
    this.#home = home;
    if (groups.length === 0) {
      this.#state = 'settled';
      this.number = 0;
    } else {
      this.number = waits.add(this);
      this.forget = home.forgetter(this.number);
    }
  }

  /** Whether somebody waits for it now. */
  get isAwaited() {
    return this.#awaiting.length > 0;
  }

  /** The engine has the outcome. */
  settle(arrivals) {
    for (const { at, group, error } of arrivals) {
      this.#failed ||= error !== null;
      const outcome = error === null ? new Date(at) : JSON.parse(error);
      if (isAmbiguous(group)) {
        for (const name of namesOf(group, Object.keys(this.#completions))) this.#note(name, outcome);
      } else this.#note(group, outcome);
    }
    this.#home.counts.finished++;
    this.#end('settled');
  }

  /** There will be no outcome. */
  abandon() {
    this.#end('abandoned');
  }

  /** The job was not sent. */
  cancel() {
    if (this.number === 0) return;
    waits.take(this.number);
    this.forget();
  }

  /**
   * @param {number | { timeout?: number, signal?: AbortSignal }} [options] the timeout in ms; for ever without one
   * @param {object} [job] the job, as it is to be looked at if it is not finished in time
   */
  finished(options, job) {
    return new Promise((resolve, reject) => {
      const { timeout, signal } = isOptions(options) ? options : { timeout: options };
      const limit = checks.timeout(timeout);
      const awaiting = { resolve, reject, cancel: null, end: null };
      if (this.#state !== 'open') {
        this.#answer(awaiting);
        return;
      }
      const aborting = signalOf('signal', signal);
      this.#awaiting.push(awaiting);
      waits.hold(this);
      if (limit) {
        awaiting.cancel = startTimer(limit, () =>
          this.#home.explain(this.number, job, timeout, (error) => this.#expire(awaiting, error)),
        );
      }
      awaiting.end = whenAborted(aborting, (reason) => this.#give(awaiting, reason));
    });
  }

  /** The time is over, unless it was finished or given up while it was looked why it is not. */
  #expire(awaiting, error) {
    if (!this.#awaiting.includes(awaiting)) return;
    this.#home.counts.timedOut++;
    this.#give(awaiting, error);
  }

  /** One of those who wait waits no longer. */
  #give(awaiting, reason) {
    this.#awaiting = this.#awaiting.filter((other) => other !== awaiting);
    awaiting.cancel?.();
    awaiting.end?.();
    awaiting.reject(reason);
  }

  #end(state) {
    if (this.#state !== 'open') return;
    this.#state = state;
    for (const awaiting of this.#awaiting) {
      awaiting.cancel?.();
      awaiting.end?.();
      this.#answer(awaiting);
    }
    this.#awaiting = [];
  }

  #answer({ resolve, reject }) {
    if (this.#state === 'abandoned') reject(closedError());
    else if (this.#rejectOnError && this.#failed) reject(this.#completions);
    else resolve(this.#completions);
  }

  /** Whatever a group is called, it is a property of the object and nothing else. */
  #note(group, value) {
    Object.defineProperty(this.#completions, group, { value, writable: true, configurable: true, enumerable: true });
  }
}

module.exports = { Wait };
