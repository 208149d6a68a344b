'use strict';

Object.defineProperty(exports, '__esModule', { value: true });

exports.createDashboard = require('./src/dashboard/server/dashboard.js').createDashboard;
