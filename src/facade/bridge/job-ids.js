'use strict';

const native = require('./native.js');
const { HFXBUS_ID_SIZE } = require('../support/constants.js');

/** So many ids are fetched at once. */
const AMOUNT = 256;

/** Random ids, fetched in advance. */
class IdStock {
  #make;
  #stock = '';
  #used = 0;

  /** @param {(count: number) => string} make makes so many ids, joined */
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

  /** Gives up what is left: it is not what would be made now. */
  clear() {
    this.#stock = '';
    this.#used = 0;
  }
}

const anywhere = new IdStock(native.makeIds);

/** A random id. */
function newId() {
  return anywhere.next();
}

module.exports = { IdStock, newId };
