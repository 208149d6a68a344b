'use strict';

const { claimOptions } = require('../../options/claim-options.js');
const checks = require('../../options/validate.js');
const { DISTRIBUTED_ROUTING } = require('../../support/constants.js');

/** Validates the options of a consumer and converts them into those of the engine. */
function consumerOptions(given) {
  const options = checks.object('options', given);
  if (options.group === undefined || options.group === null) throw new TypeError('group must be a string');
  const group = checks.name('group', options.group);
  const route = routeOf(options.route, group);
  const concurrency = checks.count('concurrency', options.concurrency, { least: 1, fallback: 1, endless: true });
  return {
    group,
    route,
    id: checks.string('id', options.id) || undefined,
    // The engine takes 0 for no limit. A number beyond its range is no limit either.
    concurrency: concurrency > 2 ** 31 ? 0 : concurrency,
    readAhead: checks.count('readAhead', options.readAhead, { least: 0 }),
    blockTimeout: checks.time('blockTimeout', options.blockTimeout),
    delOnSettle: Boolean(options.delOnSettle),
    ...claimOptions(options),
  };
}

/** Returns the route of the node to read from, by default the group; `undefined` for every node. */
function routeOf(route, group) {
  if (route === DISTRIBUTED_ROUTING) return undefined;
  if (route !== undefined && route !== null && typeof route !== 'string') {
    const text = typeof route === 'object' ? Object.prototype.toString.call(route) : String(route);
    throw new Error(`Invalid route: ${text}`);
  }
  return route ?? group;
}

module.exports = { consumerOptions };
