'use strict';

const { HfxbusProgram } = require('../programs/hfxbus.js');

/** A published version. */
module.exports = {
  package: 'hfxbus',
  program: (hfxbus, options) => new HfxbusProgram(hfxbus, options),
};
