'use strict';

const { LONGEST_TIMER } = require('../support/constants.js');
const { clearInterval, setInterval } = require('../support/timers.js');

/*
 * Keeps the process alive while a connection is open or a request is pending, like a socket of Node. The engine's thread does
 * not keep it alive.
 */
let handle = null;
let openLinks = 0;
let pending = 0;
/** Strong reference to the drain function, to which the engine has a weak one. */
let held = null;

/** @param {Function} drain function that reads the engine's reports */
function hold(drain) {
  held = drain;
}

/** @param {number} count number of open connections */
function setOpenLinks(count) {
  openLinks = count;
  update();
}

/** @param {number} change difference in the number of pending requests */
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
