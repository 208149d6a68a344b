'use strict';

const { clearInterval, setInterval } = require('../support/timers.js');

/*
 * Registry of waits for completions, by number. A wait with a pending `finished()` is held by a strong reference. Any other
 * wait gets a weak reference after a while, so that a dropped job is collected, and the engine drops its wait too.
 *
 * Numbers rise, so that each has its own place in a ring. A number whose place is taken by an old wait is skipped. The ring
 * replaces a Map, which keeps references to removed entries until old objects are collected.
 */

/** Interval of the sweep, in ms. An unused wait is held for one to two intervals. */
const SWEEP_EVERY = 5000;

const MOST = 2 ** 32;
/** Initial number of places. The number is always a power of two. */
const PLACES = 1024;

/** Waits, each as itself or as a `WeakWait`. */
let places = new Array(PLACES).fill(null);
let taken = 0;
let last = 0;
let sweeper = null;

const registry = new FinalizationRegistry(({ number, forget }) => {
  if (remove(number) !== null) forget();
});

/** Weak reference to a wait. */
class WeakWait {
  #wait;

  constructor(wait) {
    this.number = wait.number;
    this.#wait = new WeakRef(wait);
  }

  get wait() {
    return this.#wait.deref();
  }
}

/** Adds a wait with a strong reference. @returns {number} its number in reports of the engine */
function add(wait) {
  if (taken >= places.length / 2) grow();
  do last = (last + 1) % MOST;
  while (last === 0 || places[placeOf(last)] !== null);
  places[placeOf(last)] = wait;
  taken++;
  if (sweeper === null) {
    sweeper = setInterval(sweep, SWEEP_EVERY);
    sweeper.unref();
  }
  return last;
}

/** Replaces the weak reference to a wait by a strong one, unless the wait has ended. */
function hold(wait) {
  if (!(lookup(wait.number) instanceof WeakWait)) return;
  registry.unregister(wait);
  places[placeOf(wait.number)] = wait;
  wait.isOld = false;
}

/** Removes and returns the wait of a number. */
function take(number) {
  const found = remove(number);
  if (!(found instanceof WeakWait)) return found;
  const wait = found.wait ?? null;
  if (wait !== null) registry.unregister(wait);
  return wait;
}

function placeOf(number) {
  return number % places.length;
}

/** Returns the element with a number, or `null` if its wait has ended. */
function lookup(number) {
  const there = places[placeOf(number)];
  return there !== null && there.number === number ? there : null;
}

function remove(number) {
  const there = lookup(number);
  if (there === null) return null;
  places[placeOf(number)] = null;
  taken--;
  return there;
}

/** Doubles the ring. Different places in a smaller ring are different in a larger one. */
function grow() {
  const smaller = places;
  places = new Array(smaller.length * 2).fill(null);
  for (const there of smaller) if (there !== null) places[placeOf(there.number)] = there;
}

/** Weakens waits that the last sweep has seen and that have no pending `finished()`. */
function sweep() {
  for (const [place, wait] of places.entries()) {
    if (wait === null || wait instanceof WeakWait) continue;
    if (!wait.isOld) {
      wait.isOld = true;
    } else if (!wait.isAwaited) {
      places[place] = new WeakWait(wait);
      registry.register(wait, { number: wait.number, forget: wait.forget }, wait);
    }
  }
  endSweeping();
}

/** Ends the timer without waits, since it would keep this facade in memory until its next call. */
function endSweeping() {
  if (taken > 0 || sweeper === null) return;
  clearInterval(sweeper);
  sweeper = null;
  // Memory of a burst is released.
  places = new Array(PLACES).fill(null);
}

module.exports = { add, endSweeping, hold, take };
