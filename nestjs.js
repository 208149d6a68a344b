'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

const { HFXBUS_TRANSPORT, HfxbusServer } = require('./src/nestjs/server.js');

exports.HFXBUS_TRANSPORT = HFXBUS_TRANSPORT;
exports.HfxbusServer = HfxbusServer;
exports.HfxbusClient = require('./src/nestjs/client.js').HfxbusClient;
exports.HfxbusContext = require('./src/nestjs/context.js').HfxbusContext;
exports.HfxbusHealthIndicator = require('./src/nestjs/health-indicator.js').HfxbusHealthIndicator;
