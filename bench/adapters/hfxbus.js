'use strict';

const { HfxbusProgram } = require('../programs/hfxbus.js');
const { Hfxbus3Program } = require('../programs/hfxbus-3.js');

/** A published version. */
module.exports = {
  package: 'hfxbus',
  version: '2.2.0',
  program: (hfxbus, options, load) => {
    const major = Number.parseInt(load('./package.json').version, 10);
    return major < 3 ? new HfxbusProgram(hfxbus, options) : new Hfxbus3Program(hfxbus, options);
  },
};
