'use strict';

/*
 * Jobs whose completions are waited for, by number. A wait that somebody awaits is held here. One that nobody has
 * awaited for a while is only looked at weakly, so that a job that is sent and forgotten is collected, and the
 * engine is told to forget it too.
 */

/** How often waits that nobody awaits are let go, in ms; they are held for one to two such times. */
const SWEEP_EVERY = 5000;

const MOST = 2 ** 32;

const held = new Map();
const loose = new Map();
const registry = new FinalizationRegistry(({ number, forget }) => {
  if (loose.delete(number)) forget();
});

let last = 0;
let sweeper = null;
let old = new Set();

/** Holds a wait. @returns {number} the number by which the engine names it */
function add(wait) {
  do last = (last + 1) % MOST;
  while (last === 0 || held.has(last) || loose.has(last));
  hold(last, wait);
  return last;
}

/** Holds a wait that is awaited now. */
function hold(number, wait) {
  if (loose.delete(number)) registry.unregister(wait);
  held.set(number, wait);
  if (sweeper === null) {
    sweeper = setInterval(sweep, SWEEP_EVERY);
    sweeper.unref();
  }
}

/** The wait of that number, which is over. */
function take(number) {
  const wait = held.get(number) ?? loose.get(number)?.deref();
  held.delete(number);
  if (loose.delete(number) && wait) registry.unregister(wait);
  return wait;
}

/** Lets go of the waits that were there the last time and that nobody awaits. */
function sweep() {
  for (const [number, wait] of held) {
    if (!old.has(number) || wait.isAwaited) continue;
    held.delete(number);
    loose.set(number, new WeakRef(wait));
    registry.register(wait, { number, forget: wait.forget }, wait);
  }
  old = new Set(held.keys());
  if (held.size === 0) {
    clearInterval(sweeper);
    sweeper = null;
  }
}

module.exports = { add, hold, take };
