'use strict';

const path = require('node:path');
const { HfxbusProgram } = require('../programs/hfxbus.js');

/** This checkout, as it was built last. */
module.exports = {
  folder: () => path.resolve(__dirname, '..', '..'),
  program: (hfxbus, options) => new HfxbusProgram(hfxbus, options),
};
