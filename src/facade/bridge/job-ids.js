'use strict';

const native = require('./native.js');
const { HFXBUS_ID_SIZE } = require('../support/constants.js');

/** Number of ids that are fetched at once. */
const AMOUNT = 256;

/** Random ids, fetched in advance. */
class IdStock {
  #make;
  #stock = '';
  #used = 0;

  /** @param {(count: number) => string} make returns `count` ids, joined */
  constructor(make) {
    this.#make = make;
  }

  next() {
    if (this.#used === this.#stock.length) {
      this.#stock = this.#make(AMOUNT);
      this.#used = 0;
    }
    this.#used += HFXBUS_ID_SIZE;
    return this.#stock.slice(this.#used - HFXBUS_ID_SIZE, this.#used);
  }

  /** Drops the fetched ids, after a change of the nodes in the ring. */
  clear() {
    this.#stock = '';
    this.#used = 0;
  }
}

const anywhere = new IdStock(native.makeIds);

/** Returns a random id. */
function newId() {
  return anywhere.next();
}

module.exports = { IdStock, newId };
