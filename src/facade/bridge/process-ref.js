'use strict';

const { LONGEST_TIMER } = require('../support/constants.js');
const { clearInterval, setInterval } = require('../support/timers.js');

/*
 * The process lives as long as a connection is open or an answer is due, as with any socket of Node's own; the
 * engine's thread alone would not keep it.
 */
let handle = null;
let openLinks = 0;
let pending = 0;
/** Lives as long as the process has to: the engine refers to it weakly. */
let held = null;

/** @param {Function} drain the function that reads the engine's reports */
function hold(drain) {
  held = drain;
}

/** @param {number} count how many connections are open */
function setOpenLinks(count) {
  openLinks = count;
  update();
}

/** @param {number} change how many answers more, or fewer, are due */
function addPending(change) {
  pending += change;
  update();
}

function update() {
  const needed = openLinks > 0 || pending > 0;
  if (needed === (handle !== null)) return;
  if (needed) {
    handle = setInterval(() => {}, LONGEST_TIMER, held);
  } else {
    clearInterval(handle);
    handle = null;
  }
}

module.exports = { hold, setOpenLinks, addPending };
