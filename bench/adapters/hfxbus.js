'use strict';

const { HfxbusProgram } = require('../programs/hfxbus.js');
const { program } = require('./ours.js');

/** A published version. */
module.exports = {
  package: 'hfxbus',
  version: '2.2.0',
  program: (hfxbus, options, load) => {
    const major = Number.parseInt(load('./package.json').version, 10);
    return major < 3 ? new HfxbusProgram(hfxbus, options) : program(hfxbus, options);
  },
};
