'use strict';

const { LONGEST_TIMER } = require('./constants.js');

/**
 * Calls `action` after `ms`. A time beyond Node's longest timer takes several timers. The global timers are read at each call,
 * so that fake timers of a test apply.
 * @param {number} ms up to Infinity
 * @param {() => void} action
 * @returns {() => void} cancels the timer, by the functions that started it
 */
function startTimer(ms, action) {
  const clear = clearTimeout;
  let timer;
  const wait = (left) => {
    const part = Math.min(left, LONGEST_TIMER);
    timer = setTimeout(() => (left > part ? wait(left - part) : action()), part);
  };
  wait(ms);
  return () => clear(timer);
}

module.exports = { startTimer };
