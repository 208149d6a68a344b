'use strict';

const { LONGEST_TIMER } = require('./constants.js');

/*
 * The process lives as long as a connection is open or an answer is due, as with any socket of Node's own; the
 * engine's thread alone would not keep it.
 */
let handle = null;
let openLinks = 0;
let pending = 0;

/** @param {number} count how many connections are open */
function links(count) {
  openLinks = count;
  update();
}

/** @param {number} change how many answers more, or fewer, are due */
function answers(change) {
  pending += change;
  update();
}

function update() {
  const needed = openLinks > 0 || pending > 0;
  if (needed === (handle !== null)) return;
  if (needed) {
    handle = setInterval(() => {}, LONGEST_TIMER);
  } else {
    clearInterval(handle);
    handle = null;
  }
}

module.exports = { links, answers };
