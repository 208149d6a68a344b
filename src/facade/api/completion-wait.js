'use strict';

const { signalOf, whenAborted } = require('../support/abort.js');
const checks = require('../options/validate.js');
const { closedError } = require('../support/errors.js');
const { Job } = require('./job.js');
const { AWAITED } = require('./results/awaited.js');
const { startTimer } = require('../support/long-timer.js');
const waits = require('../bridge/wait-registry.js');
const { isAmbiguous, namesOf } = require('../support/wire-name.js');

/** Returns true for an object of options; other values are a timeout. */
function isOptions(given) {
  return typeof given === 'object' && given !== null && ('timeout' in given || 'signal' in given);
}

/** Wait for the completions of one job, behind `job.finished()`. */
class Wait {
  #completions = {};
  #state = 'open';
  #rejectOnError;
  /** Shared part of the producer's waits. */
  #home;
  #failed = false;
  /** Payload keys with the values that completions returned; `null` before the first. */
  #answer = null;
  /** Keys that only a completion can return. */
  #owed;
  /** True if a completion was missed. */
  #isMissed = false;
  /** Pending calls of `finished()`. There is mostly one, so an array is enough. */
  #awaiting = [];
  /** Stream of the job, by its name for the user. */
  #stream;
  /** True if the last sweep of the registry has seen the wait. */
  isOld = false;

  /**
   * @param {string[]} groups groups whose completions end the wait
   * @param {boolean} rejectOnError true if the first error ends the wait and rejects
   * @param {import('./wait-requests.js').WaitRequests} home shared part of the producer's waits
   * @param {string[]} owed payload keys that only a completion can return
   * @param {string} stream stream of the job
   */
  constructor(groups, rejectOnError, home, owed, stream) {
    for (const group of groups) this.#note(group, null);
    this.#rejectOnError = rejectOnError;
    this.#home = home;
    this.#owed = owed;
    this.#stream = stream;
    if (groups.length === 0) {
      this.#state = 'settled';
      this.number = 0;
    } else {
      this.number = waits.add(this);
      this.forget = home.forgetter(this.number);
    }
  }

  /** Returns true while a call of `finished()` is pending. */
  get isAwaited() {
    return this.#awaiting.length > 0;
  }

  /** Handles the outcome from the engine. */
  settle(arrivals) {
    for (const { at, group, error, answer } of arrivals) {
      this.#failed ||= error !== null;
      if (answer === null) this.#isMissed = true;
      else if (answer.length > 0) this.#answer = this.#answer === null ? answer : this.#answer.concat(answer);
      const outcome = error === null ? new Date(at) : JSON.parse(error);
      if (isAmbiguous(group)) {
        for (const name of namesOf(group, Object.keys(this.#completions))) this.#note(name, outcome);
      } else this.#note(group, outcome);
    }
    this.#home.counts.finished++;
    this.#end('settled');
  }

  /** Ends the wait without an outcome. */
  abandon() {
    this.#end('abandoned');
  }

  /** Removes the wait of a job that was not sent. */
  cancel() {
    if (this.number === 0) return;
    waits.take(this.number);
    this.forget();
  }

  /**
   * @param {number | { timeout?: number, signal?: AbortSignal }} [options] timeout in ms; no limit without one
   * @param {object} [job] job that gets the answer, and that the diagnosis after the timeout is about
   */
  finished(options, job) {
    if (options === AWAITED) return this;
    return new Promise((resolve, reject) => {
      const { timeout, signal } = isOptions(options) ? options : { timeout: options };
      const limit = checks.timeout(timeout);
      const awaiting = { resolve, reject, job, cancel: null, end: null };
      if (this.#state !== 'open') {
        this.#answerTo(awaiting);
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

  /** Returns the chunks of a group. The wait ends them if their end is missing. */
  results(options, job) {
    const about = { groups: Object.keys(this.#completions), stream: this.#stream, id: job.id };
    return this.#home.results(options, { ...about, completions: (signal) => this.finished({ signal }, job) });
  }

  /** Rejects one call after the diagnosis of its timeout, unless the call has settled meanwhile. */
  #expire(awaiting, error) {
    if (!this.#awaiting.includes(awaiting)) return;
    this.#home.counts.timedOut++;
    this.#give(awaiting, error);
  }

  /** Rejects one pending call. */
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
      this.#answerTo(awaiting);
    }
    this.#awaiting = [];
  }

  #answerTo({ resolve, reject, job }) {
    this.#bring(job);
    if (this.#state === 'abandoned') reject(closedError());
    else if (this.#rejectOnError && this.#failed) reject(this.#completions);
    else resolve(this.#completions);
  }

  /** Gives the answer to the job, once. */
  #bring(job) {
    if (this.#answer === null && (this.#owed.length === 0 || !this.#isMissed)) return;
    // Of several groups with the same key the last one counts, as with a payload key.
    Job.answer(job, this.#answer ?? [], this.#owed, this.#isMissed);
    this.#answer = null;
    this.#owed = [];
  }

  /** Defines an own property, also with the name `__proto__`. */
  #note(group, value) {
    if (group !== '__proto__') {
      this.#completions[group] = value;
      return;
    }
    Object.defineProperty(this.#completions, group, { value, writable: true, configurable: true, enumerable: true });
  }
}

module.exports = { Wait };
