'use strict';

const native = require('../../native.js');
const { HFXBUS_ID_SIZE } = require('./constants.js');

/** So many ids are fetched at once. */
const STOCK = 256;

let stock = '';
let used = 0;

/** A random id. */
function newId() {
  if (used === stock.length) {
    stock = native.makeIds(STOCK);
    used = 0;
  }
  used += HFXBUS_ID_SIZE;
  return stock.slice(used - HFXBUS_ID_SIZE, used);
}

module.exports = { newId };
