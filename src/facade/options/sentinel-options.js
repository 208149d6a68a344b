'use strict';

const checks = require('./validate.js');
const { natMap } = require('./nat-map.js');
const { tlsOptions } = require('./tls-options.js');

const DEFAULT_PORT = 26379;
const ROLES = ['master', 'slave'];

/**
 * Converts the options of sentinels into those of the engine.
 * @returns {object | undefined} `undefined` without sentinels
 */
function sentinelOptions(options) {
  if (options.sentinels === undefined || options.sentinels === null) return undefined;
  if (!Array.isArray(options.sentinels) || options.sentinels.length === 0) {
    throw new TypeError('sentinels must be an array of at least one sentinel');
  }
  const name = checks.string('name', options.name);
  if (!name) throw new TypeError('name must be given with sentinels');
  const role = options.role ?? 'master';
  if (!ROLES.includes(role)) throw new RangeError(`role must be ${ROLES.join(' or ')}`);
  return {
    addresses: options.sentinels.map((sentinel, index) => address(`sentinels[${index}]`, sentinel)),
    name,
    isReplica: role === 'slave',
    username: checks.string('sentinelUsername', options.sentinelUsername) || undefined,
    password: checks.string('sentinelPassword', options.sentinelPassword) || undefined,
    tls: tlsOptions('sentinelTLS', options.sentinelTLS),
    commandTimeout: checks.time('sentinelCommandTimeout', options.sentinelCommandTimeout) || undefined,
    nat: natMap(options.natMap),
    preferred: preferred(options.preferredSlaves),
    updateSentinels: flag(options.updateSentinels),
    failoverDetector: flag(options.failoverDetector),
    asksRetry: options.sentinelRetryStrategy !== undefined,
  };
}

/** @returns {boolean} true if connections to the Redis of the sentinels use TLS */
function speaksTls({ tls, enableTLSForSentinelMode }) {
  // ioredis ignores `tls` here, and so sends passwords in plain text.
  if (tls && flag(enableTLSForSentinelMode) === undefined) {
    throw new TypeError('enableTLSForSentinelMode must be given with tls and sentinels: true, or false for plain text');
  }
  return Boolean(enableTLSForSentinelMode);
}

/** Returns a boolean, or `undefined` for the default. */
function flag(given) {
  return given === undefined || given === null ? undefined : Boolean(given);
}

function address(what, given) {
  const { host, port } = checks.object(what, given);
  return {
    host: checks.string(`${what}.host`, host) || 'localhost',
    port: checks.port(`${what}.port`, port) ?? DEFAULT_PORT,
  };
}

/** Sorts replicas by `prio`, the lowest first. Default 1. A function is not called. */
function preferred(given) {
  if (given === undefined || given === null || typeof given === 'function') return undefined;
  const priority = ({ prio }) => checks.toNumber('preferredSlaves.prio', prio) || 1;
  const replicas = [given].flat().map((replica) => checks.object('preferredSlaves', replica));
  return replicas.sort((left, right) => priority(left) - priority(right)).map(({ ip, port }) => `${ip}:${port}`);
}

module.exports = { sentinelOptions, speaksTls };
