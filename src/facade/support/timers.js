'use strict';

const timers = require('node:timers');

/*
 * The timers that the bus itself runs on. They are taken once, when this file loads, so that fake timers of a test do not
 * stop the bus. Timeouts that a user asks for, as of `finished(timeout)`, use the globals of the moment instead: a test
 * that moves its clock means those.
 */

/** The function that `holder` has under `name`. Fake timers that are installed already keep the real one on their clock. */
function genuine(holder, name) {
  const found = holder[name];
  return found.clock?.[`_${name}`] ?? found;
}

module.exports = {
  nextTick: genuine(process, 'nextTick'),
  setInterval: genuine(timers, 'setInterval'),
  clearInterval: genuine(timers, 'clearInterval'),
};
