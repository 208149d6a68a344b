'use strict';

/*
 * Thread that wakes another one at fixed times. Timers of Node have a resolution of 1 ms, and are late if the event loop is busy.
 */

const { parentPort } = require('node:worker_threads');

const never = new Int32Array(new SharedArrayBuffer(4));

/** `start` in ns of the monotonic clock, `interval` in ns. `flag` is 1 while a wake-up is under way. */
function tick({ start, interval, count, flag }) {
  for (let index = 0; index < count; index++) {
    const left = Number(start - process.hrtime.bigint()) + index * interval;
    if (left > 0) Atomics.wait(never, 0, 0, left / 1e6);
    if (Atomics.exchange(flag, 0, 1) === 0) parentPort.postMessage({ isOver: false });
  }
  parentPort.postMessage({ isOver: true });
}

parentPort.on('message', tick);
