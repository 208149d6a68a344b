'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

exports.openTelemetry = require('./src/facade/telemetry/opentelemetry.js').openTelemetry;
