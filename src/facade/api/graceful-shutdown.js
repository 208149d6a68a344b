'use strict';

const { setTimeout: later } = require('node:timers');
const checks = require('../options/validate.js');
const { RepeatedSignals, now } = require('../support/repeated-signals.js');

const SIGNALS = ['SIGTERM', 'SIGINT'];
const TIMEOUT = 10000;

/** Marks a listener that has done its work and keeps repetitions away; other copies of the package know it, too. */
const IS_DONE = Symbol.for('hfxbus:isDone');

/**
 * Ends consumers, producers and managers, in this order, when the process is onSignal to end, and then lets it.
 * @param {object[]} members
 * @param {{ timeout?: number, signals?: string[], exit?: boolean }} [options]
 */
function gracefulShutdown(members, options) {
  const { timeout, signals, exit } = checks.object('options', options);
  const bound = checks.time('timeout', timeout, TIMEOUT);
  const names = signalNames(signals);
  const kinds = sort(members);
  const repeated = new RepeatedSignals();
  let shutDown = null;
  const begin = () => {
    shutDown ??= end(kinds, bound);
    return shutDown;
  };
  const cancel = () => {
    for (const name of names) process.removeListener(name, onSignal);
  };
  /** Lets the signal do what it does without us. */
  const pass = (name) => {
    onSignal[IS_DONE] = true;
    // Whoever else listens has plans of its own for the end.
    const isAlone = process.listeners(name).every((listener) => listener[IS_DONE] === true);
    if (exit !== false && isAlone) {
      cancel();
      for (const listener of process.listeners(name)) process.removeListener(name, listener);
      process.kill(process.pid, name);
    } else {
      // A repetition would end the process, as signals do that nobody listens for.
      later(cancel, repeated.left()).unref();
    }
  };
  function onSignal(name) {
    if (repeated.isRepeated()) return;
    if (shutDown === null) begin().then(() => pass(name));
    else pass(name);
  }
  for (const name of names) process.on(name, onSignal);
  return { shutDown: begin, cancel };
}

function signalNames(given) {
  if (given === undefined || given === null) return SIGNALS;
  if (!Array.isArray(given) || given.some((name) => typeof name !== 'string' || !name.startsWith('SIG'))) {
    throw new TypeError('signals must be an array of names such as SIGTERM');
  }
  return given;
}

/** Who is paused, closed and stopped. */
function sort(members) {
  const all = Array.isArray(members) ? members : [members];
  const ends = { pause: [], close: [], stop: [] };
  all.forEach((member, index) => {
    const how = Object.keys(ends).find((name) => typeof member?.[name] === 'function');
    if (how === undefined) throw new TypeError(`members[${index}] must be a consumer, a producer or a manager`);
    ends[how].push(member);
  });
  return ends;
}

/** Never rejects: what cannot be ended well is ended all the same. */
async function end({ pause, close, stop }, bound) {
  const started = now();
  // A manager's bound is no bound when it is 0.
  const left = () => Math.max(1, bound - (now() - started));
  await Promise.allSettled(pause.map((consumer) => consumer.pause(left())));
  await Promise.allSettled(close.map((producer) => producer.close()));
  await Promise.allSettled(stop.map((manager) => manager.stop({ maxWait: left() })));
}

module.exports = { gracefulShutdown };
