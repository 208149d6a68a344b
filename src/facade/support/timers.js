'use strict';

const { performance } = require('node:perf_hooks');
const timers = require('node:timers');

/*
 * Timers of the bus itself. They are read once, when this file loads, so that fake timers of a test do not stop the bus.
 * Timeouts of a user, such as `finished(timeout)`, use the current globals, so that a test can control them.
 */

/** Returns the real function of `holder`. Fake timers that are installed already keep it on their clock. */
function genuine(holder, name) {
  const found = holder[name];
  return found.clock?.[`_${name}`] ?? found;
}

module.exports = {
  /** Returns a time in ms that only grows. */
  now: performance.now.bind(performance),
  nextTick: genuine(process, 'nextTick'),
  setTimeout: genuine(timers, 'setTimeout'),
  clearTimeout: genuine(timers, 'clearTimeout'),
  setInterval: genuine(timers, 'setInterval'),
  clearInterval: genuine(timers, 'clearInterval'),
};
