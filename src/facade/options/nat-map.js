'use strict';

const checks = require('./validate.js');

const DEFAULT_PORT = 6379;

/** Converts a map of internal to external addresses: `{ 'host:port': { host, port } }`. */
function natMap(given) {
  return Object.entries(checks.object('natMap', given)).map(([inside, outside]) => {
    const at = inside.lastIndexOf(':');
    const name = `natMap['${inside}']`;
    if (at <= 0) throw new TypeError(`${name} must be named host:port`);
    const { host, port } = checks.object(name, outside);
    return {
      from: { host: inside.slice(0, at), port: checks.port(name, inside.slice(at + 1)) ?? DEFAULT_PORT },
      to: { host: checks.name(`${name}.host`, host), port: checks.port(`${name}.port`, port) ?? DEFAULT_PORT },
    };
  });
}

module.exports = { natMap };
