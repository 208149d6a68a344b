'use strict';

/** All faults, in the order of their numbers. */
const faults = [
  require('./killed-consumers.js'),
  require('./killed-producers.js'),
  require('./killed-redis.js'),
  require('./lost-data.js'),
  require('./cluster.js'),
  require('./networks.js'),
  require('./lost-completions.js'),
  require('./blocked-loop.js'),
  require('./bad-handlers.js'),
  require('./terminated.js'),
].flat();

module.exports = { faults };
