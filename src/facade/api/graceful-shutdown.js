'use strict';

const { setTimeout: later } = require('node:timers');
const checks = require('../options/validate.js');
const { RepeatedSignals, now } = require('../support/repeated-signals.js');

const SIGNALS = ['SIGTERM', 'SIGINT'];
const TIMEOUT = 10000;

/** Marks a listener that only absorbs repeated signals. Other copies of the package share the symbol. */
const IS_DONE = Symbol.for('hfxbus:isDone');

/**
 * Ends consumers, producers and managers, in this order, at a signal, and then ends the process by the signal.
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
  /** Gives the signal its default effect, unless other listeners remain. */
  const pass = (name) => {
    onSignal[IS_DONE] = true;
    // Other listeners decide on the end themselves.
    const isAlone = process.listeners(name).every((listener) => listener[IS_DONE] === true);
    if (exit !== false && isAlone) {
      cancel();
      for (const listener of process.listeners(name)) process.removeListener(name, listener);
      process.kill(process.pid, name);
    } else {
      // Without a listener a repeated signal would end the process.
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

/** Sorts members by the method that ends them. */
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

/** Ends all members. Never rejects: a failure does not keep the others from being ended. */
async function end({ pause, close, stop }, bound) {
  const started = now();
  // 0 would mean no limit to a manager.
  const left = () => Math.max(1, bound - (now() - started));
  await Promise.allSettled(pause.map((consumer) => consumer.pause(left())));
  await Promise.allSettled(close.map((producer) => producer.close()));
  await Promise.allSettled(stop.map((manager) => manager.stop({ maxWait: left() })));
}

module.exports = { gracefulShutdown };
