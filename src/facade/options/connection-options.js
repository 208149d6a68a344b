'use strict';

const checks = require('./validate.js');
const { sentinelOptions, speaksTls } = require('./sentinel-options.js');
const { tlsOptions } = require('./tls-options.js');

/**
 * Converts the options of a connection to one Redis into those of the engine. Names, defaults and meanings are those of
 * ioredis 4. Unknown names are ignored, as in ioredis.
 * @param {object | undefined} given options, without a URL
 */
function connectionOptions(given) {
  const options = checks.object('options', given);
  const sentinel = sentinelOptions(options);
  const tls = sentinel === undefined || speaksTls(options) ? tlsOptions('tls', options.tls) : undefined;
  return {
    ...endpoint(options),
    ...identity(options),
    ...times(options),
    ...switches(options),
    tls,
    sentinel,
    maxQueuedCommands: most('maxQueuedCommands', options.maxQueuedCommands),
    maxQueuedBytes: most('maxQueuedBytes', options.maxQueuedBytes),
    maxRetriesPerRequest: maxRetries(options.maxRetriesPerRequest),
    asksRetry: options.retryStrategy !== undefined,
    asksReconnect: checks.callback('reconnectOnError', options.reconnectOnError) !== undefined,
  };
}

function endpoint(options) {
  const family = checks.toNumber('family', options.family);
  if (family !== undefined && ![0, 4, 6].includes(family)) throw new RangeError('family must be 4, 6 or 0');
  return {
    host: checks.string('host', options.host) || undefined,
    path: checks.string('path', options.path) || undefined,
    port: checks.port('port', options.port),
    family,
  };
}

function identity(options) {
  return {
    username: checks.string('username', options.username) || undefined,
    password: checks.string('password', options.password) || undefined,
    db: checks.count('db', options.db, { least: 0, most: 2 ** 31 - 1 }),
    connectionName: checks.string('connectionName', options.connectionName) || undefined,
  };
}

/** Converts times. A negative number means no limit to the engine. */
function times(options) {
  const endless = (ms) => (ms === Infinity ? -1 : ms);
  const orNever = (ms) => (ms === 0 ? -1 : endless(ms));
  return {
    connectTimeout: orNever(checks.time('connectTimeout', options.connectTimeout)),
    commandTimeout: orNever(checks.time('commandTimeout', options.commandTimeout)),
    socketTimeout: orNever(checks.time('socketTimeout', options.socketTimeout)),
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

/** Converts a maximum. A negative number means no limit to the engine. */
function most(name, given) {
  const number = checks.count(name, given, { least: 1, endless: true });
  return number === Infinity ? -1 : number;
}

/** Converts a number of retries. `null` means no limit, as in ioredis. */
function maxRetries(given) {
  if (given === null) return -1;
  const most = checks.count('maxRetriesPerRequest', given, { least: 0, endless: true });
  return most === Infinity ? -1 : most;
}

module.exports = { connectionOptions };
