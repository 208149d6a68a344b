'use strict';

const names = require('./src/facade/api/public-names.js');

Object.defineProperty(exports, '__esModule', { value: true });

exports.ConnectionManager = names.ConnectionManager;
exports.Job = names.Job;
exports.Producer = names.Producer;
exports.Consumer = names.Consumer;
exports.HFXBUS_ID_SIZE = names.HFXBUS_ID_SIZE;
exports.DISTRIBUTED_ROUTING = names.DISTRIBUTED_ROUTING;
exports.withValue = names.withValue;
exports.setErrorKind = names.setErrorKind;
exports.UnrecoverableError = names.UnrecoverableError;
exports.DeadLetters = names.DeadLetters;
exports.defineStream = names.defineStream;
exports.ContractError = names.ContractError;
exports.eventStream = names.eventStream;
exports.gracefulShutdown = names.gracefulShutdown;
