'use strict';

const checks = require('../../facade/options/validate.js');
const { optionsOf } = require('../../facade/api/connection-manager.js');

/** Minimum time between two polls, in ms. */
const LEAST_INTERVAL = 500;

/**
 * Validates the arguments of `createDashboard()`.
 * @returns {{ buses: Array<{ name: string, manager: object, streams?: string[] }>, basePath: string,
 *   interval: number, authorize: Function | null, hasActions: boolean, hasPayloads: boolean, origins: string[] }}
 */
function dashboardOptions(connections, given) {
  const options = checks.object('options', given);
  const streams = options.streams === undefined ? undefined : checks.names('streams', options.streams);
  return {
    buses: busesOf(connections).map((bus) => ({ ...bus, streams })),
    basePath: basePath(options.basePath),
    interval: checks.count('interval', options.interval, { least: LEAST_INTERVAL, most: 60_000, fallback: 2000 }),
    authorize: access(options),
    hasActions: flag('actions', options.actions),
    hasPayloads: flag('payloads', options.payloads),
    origins: checks.names('origins', options.origins).map(origin),
  };
}

/** Returns the check of each request; `null` for a public dashboard. Nothing is open by default. */
function access({ authorize, public: isPublic }) {
  const given = checks.callback('authorize', authorize);
  if (flag('public', isPublic)) {
    if (given) throw new TypeError('either authorize or public must be given, and not both');
    return null;
  }
  if (!given) throw new TypeError('authorize must be a function, or public must be true: everybody could read the bus');
  return given;
}

/** Only `true` opens something: a text such as 'false' from the environment must not. */
function flag(name, value) {
  if (value === undefined || value === null || typeof value === 'boolean') return value === true;
  throw new TypeError(`${name} must be true or false`);
}

function busesOf(connections) {
  if (Array.isArray(connections)) {
    if (connections.length === 0) throw new TypeError('connections must have at least one ConnectionManager');
    return connections.map((manager, at) => bus(`${at + 1}`, manager, `connections[${at}]`));
  }
  if (optionsOf(connections) !== undefined) return [bus('', connections, 'connection')];
  const named = Object.entries(checks.object('connection', connections));
  if (named.length === 0) throw new TypeError('connection must be a ConnectionManager of this package');
  return named.map(([name, manager]) => bus(name, manager, `connections.${name}`));
}

function bus(name, manager, what) {
  const isManager = typeof manager === 'object' && manager !== null && optionsOf(manager) !== undefined;
  if (!isManager) throw new TypeError(`${what} must be a ConnectionManager of this package`);
  return { name, manager };
}

/** Returns a path with a slash at its begin and none at its end; empty for the root. */
function basePath(given) {
  const path = (checks.string('basePath', given) ?? '').replace(/\/+$/, '');
  if (path !== '' && !/^(\/[\w.~%-]+)+$/.test(path)) throw new TypeError('basePath must be a path such as /bus');
  return path;
}

function origin(text, at) {
  try {
    return new URL(text).origin;
  } catch {
    throw new TypeError(`origins[${at}] must be an origin such as https://example.org`);
  }
}

module.exports = { dashboardOptions };
