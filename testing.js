'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

exports.EmbeddedRedis = require('./src/facade/api/embedded-redis.js').EmbeddedRedis;
