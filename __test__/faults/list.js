'use strict';

/** All faults, in the order of their numbers. */
const faults = [
  require('./killed-consumers.js'),
  require('./killed-producers.js'),
  require('./killed-redis.js'),
  require('./lost-data.js'),
  require('./cluster.js'),
  require('./killed-nodes.js'),
  require('./networks.js'),
  require('./lost-completions.js'),
  require('./malformed.js'),
  require('./payloads.js'),
  require('./full-memory.js'),
  require('./refusals.js'),
  require('./clocks.js'),
  require('./blocked-loop.js'),
  require('./bad-handlers.js'),
  require('./terminated.js'),
  require('./soak.js'),
  require('./mixed-fleet.js'),
  require('./trimmed.js'),
  require('./retention.js'),
  require('./short-lived.js'),
  require('./killed-readers.js'),
  require('./killed-owners.js'),
  require('./delayed.js'),
  require('./killed-relays.js'),
  require('./by-tests.js'),
].flat();

faults.sort((left, right) => left.id.slice(1).localeCompare(right.id.slice(1), undefined, { numeric: true }));

module.exports = { faults };
