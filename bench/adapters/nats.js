'use strict';

const { NatsProgram } = require('../programs/nats.js');

/** JetStream, which is a server of its own. */
module.exports = {
  package: '@nats-io/transport-node',
  version: '3.4.0',
  beside: ['@nats-io/jetstream@3.4.0'],
  server: 'nats',
  pace: 0.5,
  lacks: ['S7', 'S8', 'S9', 'S10', 'S16'],
  program: (transport, options, load) => new NatsProgram({ ...transport, ...load('@nats-io/jetstream') }, options),
};
