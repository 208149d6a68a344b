'use strict';

const { HfxbusProgram } = require('../programs/hfxbus.js');

/** A published version. */
module.exports = {
  package: 'hfxbus',
  version: '2.2.0',
  program: (hfxbus, options) => new HfxbusProgram(hfxbus, options),
};
