'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

exports.EmbeddedRedis = require('./src/facade/embedded-redis.js').EmbeddedRedis;
