'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

exports.ConnectionManager = require('./src/facade/connection-manager.js').ConnectionManager;
exports.Job = require('./src/facade/job.js').Job;
exports.Producer = require('./src/facade/producer.js').Producer;
exports.Consumer = require('./src/facade/consumer.js').Consumer;
exports.HFXBUS_ID_SIZE = require('./src/facade/constants.js').HFXBUS_ID_SIZE;
exports.DISTRIBUTED_ROUTING = require('./src/facade/constants.js').DISTRIBUTED_ROUTING;
exports.withValue = require('./src/facade/errors.js').withValue;
exports.setErrorKind = require('./src/facade/errors.js').setErrorKind;
exports.UnrecoverableError = require('./src/facade/errors.js').UnrecoverableError;
exports.DeadLetters = require('./src/facade/dead-letters.js').DeadLetters;
exports.gracefulShutdown = require('./src/facade/graceful-shutdown.js').gracefulShutdown;
