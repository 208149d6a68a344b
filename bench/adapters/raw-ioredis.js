'use strict';

const { IoredisProgram } = require('../programs/ioredis.js');
const { IoredisEntryProgram } = require('../programs/ioredis-entry.js');

/** Adapter without a bus: code of a Redis expert on top of the client. */
module.exports = {
  package: 'ioredis',
  version: '5.11.1',
  lacks: ['S8', 'S9', 'S10', 'S16'],
  program: (ioredis, options) =>
    options.payloadPlace ? new IoredisEntryProgram(ioredis, options) : new IoredisProgram(ioredis, options),
};
