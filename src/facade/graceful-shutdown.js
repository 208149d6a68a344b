'use strict';

const checks = require('./checks.js');

const SIGNALS = ['SIGTERM', 'SIGINT'];
const TIMEOUT = 10000;

/**
 * Ends consumers, producers and managers, in this order, when the process is told to end, and then lets it.
 * @param {object[]} members
 * @param {{ timeout?: number, signals?: string[], exit?: boolean }} [options]
 */
function gracefulShutdown(members, options) {
  const { timeout, signals, exit } = checks.object('options', options);
  const bound = checks.time('timeout', timeout, TIMEOUT);
  const names = signalNames(signals);
  const kinds = sort(members);
  let shutDown = null;
  const begin = () => {
    shutDown ??= end(kinds, bound);
    return shutDown;
  };
  const cancel = () => {
    for (const name of names) process.removeListener(name, told);
  };
  function told(name) {
    const isImpatient = shutDown !== null;
    const pass = () => {
      cancel();
      // Whoever else listens has plans of its own for the end.
      if (exit !== false && process.listenerCount(name) === 0) process.kill(process.pid, name);
    };
    if (isImpatient) pass();
    else begin().then(pass);
  }
  for (const name of names) process.on(name, told);
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
  const started = performance.now();
  // A manager's bound is no bound when it is 0.
  const left = () => Math.max(1, bound - (performance.now() - started));
  await Promise.allSettled(pause.map((consumer) => consumer.pause(left())));
  await Promise.allSettled(close.map((producer) => producer.close()));
  await Promise.allSettled(stop.map((manager) => manager.stop({ maxWait: left() })));
}

module.exports = { gracefulShutdown };
