'use strict';

const { once } = require('node:events');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const METRONOME = path.join(__dirname, 'metronome.js');
/** Time until the first action, in ms. */
const LEAD = 5;

/** The thread of this process. */
let metronome = null;

/**
 * Begins actions by the clock, whether earlier ones have ended or not. A late action keeps its intended start. Only one load runs
 * at a time.
 * @param {{ seconds: number, rate: number }} load `rate` in actions per second
 * @param {(start: number, index: number) => void} act gets its intended start, in ms of `performance.now()`
 * @returns {Promise<void>} resolves after the start of the last action
 */
async function atRate({ seconds, rate }, act) {
  const count = Math.max(1, Math.round(seconds * rate));
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const thread = await provideMetronome();
  thread.ref();
  const first = performance.now() + LEAD;
  const start = process.hrtime.bigint() + BigInt(LEAD * 1e6);
  thread.postMessage({ start, interval: 1e9 / rate, count, flag });
  let begun = 0;
  const beginDue = () => {
    Atomics.store(flag, 0, 0);
    for (; begun < count; begun++) {
      const due = first + (begun * 1000) / rate;
      if (due > performance.now()) return;
      act(due, begun);
    }
  };
  await new Promise((resolve) => {
    thread.on('message', ({ isOver }) => {
      // The last wake-up can precede its action by less than the resolution of the clock.
      do beginDue();
      while (isOver && begun < count);
      if (isOver) resolve();
    });
  });
  thread.removeAllListeners('message');
  thread.unref();
}

/** Starts the thread, unless it runs. A measurement that follows does not pay for its start. */
async function provideMetronome() {
  if (!metronome) {
    metronome = new Worker(METRONOME);
    await once(metronome, 'online');
  }
  return metronome;
}

module.exports = { atRate, provideMetronome };
