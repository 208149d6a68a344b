'use strict';

const { pairings } = require('./fleet.js');

pairings({ name: 'standalone', servers: 1, options: ([node]) => ({ node }) });
