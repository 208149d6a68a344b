'use strict';

const path = require('node:path');
const { Hfxbus3Program } = require('../programs/hfxbus-3.js');
const { HfxbusEntryProgram } = require('../programs/hfxbus-entry.js');

/** This checkout, as it was built last. */
module.exports = {
  folder: () => path.resolve(__dirname, '..', '..'),
  program: (hfxbus, options) =>
    options.payloadPlace ? new HfxbusEntryProgram(hfxbus, options) : new Hfxbus3Program(hfxbus, options),
};
