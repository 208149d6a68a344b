'use strict';

const checks = require('./validate.js');

/**
 * What the engine takes for TLS, given the part of Node's options that the bus knows; others are ignored.
 * @param {string} option their name
 * @returns {object | undefined} nothing if TLS is not spoken
 */
function tlsOptions(option, given) {
  if (!given) return undefined;
  const options = given === true ? {} : checks.object(option, given);
  const { ca } = options;
  return {
    ca: ca === undefined || ca === null ? undefined : [ca].flat().map((authority) => pem(`${option}.ca`, authority)),
    cert: chain(`${option}.cert`, options.cert),
    key: chain(`${option}.key`, options.key),
    servername: checks.string(`${option}.servername`, options.servername) || undefined,
    rejectUnauthorized: options.rejectUnauthorized !== false,
  };
}

/** PEM of one identity; Node takes an array of identities, of which this is the first. */
function chain(name, given) {
  const [first] = [given].flat();
  if (first === undefined || first === null) return undefined;
  const isKey = typeof first === 'object' && !ArrayBuffer.isView(first);
  if (isKey && first.passphrase !== undefined) throw new TypeError(`${name} must not need a passphrase`);
  return pem(name, isKey ? first.pem : first);
}

function pem(name, value) {
  if (typeof value === 'string') return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`${name} must be PEM, as a string or a Buffer`);
}

module.exports = { tlsOptions };
