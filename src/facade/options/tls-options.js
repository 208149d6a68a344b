'use strict';

const checks = require('./validate.js');

/**
 * Converts the supported part of Node's options of TLS into those of the engine. Other options are ignored.
 * @param {string} option name of the option in errors
 * @returns {object | undefined} `undefined` without TLS
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

/** Returns the PEM of one identity. Of an array of identities the first is used. */
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
