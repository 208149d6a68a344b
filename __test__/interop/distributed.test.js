'use strict';

const { pairings } = require('./fleet.js');

pairings({
  name: 'nodes() with DISTRIBUTED_ROUTING',
  servers: 3,
  options: (nodes) => ({ nodes, route: 'distributed' }),
});
