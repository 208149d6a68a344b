'use strict';

const { LONGEST_TIMER } = require('./constants.js');

/**
 * Calls `action` after `ms`. A time beyond Node's longest timer takes several of them. The timers are those of the moment: a
 * test that replaces them means the times that it gives.
 * @param {number} ms up to Infinity
 * @param {() => void} action
 * @returns {() => void} cancels it, by the functions that it was set with
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
