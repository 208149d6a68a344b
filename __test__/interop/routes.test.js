'use strict';

const { pairings } = require('./fleet.js');

/** Routed to the last node, while payloads go everywhere and completions where the stream leads. */
pairings({
  name: 'nodes() with a route',
  servers: 3,
  options: ([one, two, three]) => ({
    nodes: [
      { ...two, sequence: 1 },
      { ...one, sequence: 0, staticRoutes: [] },
      { ...three, sequence: 2, staticRoutes: ['there', 5] },
    ],
    route: 'there',
  }),
});
