'use strict';

const { BullmqProgram } = require('../programs/bullmq.js');

module.exports = {
  package: 'bullmq',
  version: '6.7.0',
  beside: ['ioredis@5.11.1'],
  pace: 0.05,
  lacks: ['S7/flood', 'S8', 'S9', 'S10', 'S16'],
  program: (bullmq, options) => new BullmqProgram(bullmq, options),
};
