'use strict';

const checks = require('./checks.js');

/**
 * What the engine takes for the options of a connection to one Redis. Names, defaults and meanings are those
 * of ioredis 4; unknown names are ignored, as there.
 * @param {object | string | undefined} given options, or a URL
 */
function connectionOptions(given) {
  const options = typeof given === 'string' ? { url: given } : checks.object('options', given);
  return {
    url: checks.string('url', options.url),
    ...endpoint(options),
    ...identity(options),
    ...times(options),
    ...switches(options),
    tls: tls(options.tls),
    maxRetriesPerRequest: maxRetries(options.maxRetriesPerRequest),
    asksRetry: options.retryStrategy !== undefined,
    asksReconnect: checks.callback('reconnectOnError', options.reconnectOnError) !== undefined,
  };
}

function endpoint(options) {
  const port = checks.toNumber('port', options.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535)) {
    throw new RangeError('port must be a whole number from 1 to 65535');
  }
  const family = checks.toNumber('family', options.family);
  if (family !== undefined && ![0, 4, 6].includes(family)) throw new RangeError('family must be 4, 6 or 0');
  return {
    host: checks.string('host', options.host) || undefined,
    path: checks.string('path', options.path) || undefined,
    port,
    family,
  };
}

function identity(options) {
  return {
    username: checks.string('username', options.username) || undefined,
    password: checks.string('password', options.password) || undefined,
    db: checks.count('db', options.db, { least: 0 }),
    connectionName: checks.string('connectionName', options.connectionName) || undefined,
  };
}

/** Without end is negative on the way to the engine. */
function times(options) {
  const endless = (ms) => (ms === Infinity ? -1 : ms);
  const orNever = (ms) => (ms === 0 ? -1 : endless(ms));
  return {
    connectTimeout: orNever(checks.time('connectTimeout', options.connectTimeout)),
    commandTimeout: orNever(checks.time('commandTimeout', options.commandTimeout)),
    keepAlive: endless(checks.time('keepAlive', options.keepAlive)),
    maxLoadingRetryTime: orNever(checks.time('maxLoadingRetryTime', options.maxLoadingRetryTime)),
  };
}

const SWITCHES = [
  'noDelay',
  'lazyConnect',
  'readOnly',
  'enableOfflineQueue',
  'enableReadyCheck',
  'autoResubscribe',
  'autoResendUnfulfilledCommands',
];

function switches(options) {
  const given = SWITCHES.filter((name) => options[name] !== undefined && options[name] !== null);
  return Object.fromEntries(given.map((name) => [name, Boolean(options[name])]));
}

/** `null` is for ever, as in ioredis; whatever is no number is the default. */
function maxRetries(given) {
  if (given === null) return -1;
  const most = checks.count('maxRetriesPerRequest', given, { least: 0, endless: true });
  return most === Infinity ? -1 : most;
}

function tls(given) {
  if (!given) return undefined;
  const options = given === true ? {} : checks.object('tls', given);
  const authorities = options.ca === undefined || options.ca === null ? undefined : [options.ca].flat();
  return {
    ca: authorities?.map((authority) => pem('tls.ca', authority)),
    cert: pem('tls.cert', options.cert),
    key: pem('tls.key', options.key),
    servername: checks.string('tls.servername', options.servername) || undefined,
    rejectUnauthorized: options.rejectUnauthorized !== false,
  };
}

function pem(name, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError(`${name} must be PEM, as a string or a Buffer`);
}

module.exports = { connectionOptions };
