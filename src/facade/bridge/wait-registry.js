'use strict';

const { clearInterval, setInterval } = require('../support/timers.js');

/*
 * Jobs whose completions are waited for, by number. A wait that somebody awaits is held here. One that nobody has
 * awaited for a while is only looked at weakly, so that a job that is sent and forgotten is collected, and the
 * engine is told to forget it too.
 *
 * Numbers rise, so each has a place of its own in a ring, unless an old wait is there, whose number is passed over. A Map
 * would do, but one whose entries come and go keeps what it has held until old objects are collected.
 */

/** How often waits that nobody awaits are let go, in ms; they are held for one to two such times. */
const SWEEP_EVERY = 5000;

const MOST = 2 ** 32;
/** How many places there are at first, as any number of them a power of two. */
const PLACES = 1024;

/** Who waits, or a `WeakWait` in its stead. */
let places = new Array(PLACES).fill(null);
let taken = 0;
let last = 0;
let sweeper = null;

const registry = new FinalizationRegistry(({ number, forget }) => {
  if (remove(number) !== null) forget();
});

/** A wait that is only looked at. */
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

/** Holds a wait. @returns {number} the number by which the engine names it */
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

/** Holds a wait that is awaited now, unless it is over. */
function hold(wait) {
  if (!(lookup(wait.number) instanceof WeakWait)) return;
  registry.unregister(wait);
  places[placeOf(wait.number)] = wait;
  wait.isOld = false;
}

/** The wait of that number, which is over. */
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

/** Who has a number; null if that is over. */
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

/** Numbers that differ in a smaller ring do so in a larger one. */
function grow() {
  const smaller = places;
  places = new Array(smaller.length * 2).fill(null);
  for (const there of smaller) if (there !== null) places[placeOf(there.number)] = there;
}

/** Lets go of the waits that were there the last time and that nobody awaits. */
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

/** Ends the sweeper if there is nothing to sweep: it would keep this copy of the facade until its next round. */
function endSweeping() {
  if (taken > 0 || sweeper === null) return;
  clearInterval(sweeper);
  sweeper = null;
  // What a burst took is given back.
  places = new Array(PLACES).fill(null);
}

module.exports = { add, endSweeping, hold, take };
