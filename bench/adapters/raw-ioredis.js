'use strict';

const { IoredisProgram } = require('../programs/ioredis.js');

/** No bus at all: what somebody who knows Redis well writes on top of its client. */
module.exports = {
  package: 'ioredis',
  version: '5.11.1',
  lacks: ['S8', 'S9', 'S10'],
  program: (ioredis, options) => new IoredisProgram(ioredis, options),
};
