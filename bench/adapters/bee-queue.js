'use strict';

const { BeeQueueProgram } = require('../programs/bee-queue.js');

module.exports = {
  package: 'bee-queue',
  version: '2.0.0',
  pace: 0.2,
  lacks: ['S7/flood', 'S8', 'S9', 'S10', 'S16'],
  program: (BeeQueue, options) => new BeeQueueProgram(BeeQueue, options),
};
