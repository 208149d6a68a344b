'use strict';

const path = require('node:path');
const { Hfxbus3Program } = require('../programs/hfxbus-3.js');

/** This checkout, as it was built last. */
module.exports = {
  folder: () => path.resolve(__dirname, '..', '..'),
  program: (hfxbus, options) => new Hfxbus3Program(hfxbus, options),
};
