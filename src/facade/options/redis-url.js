'use strict';

const checks = require('./validate.js');
const { connectionOptions } = require('./connection-options.js');
const { decoded, parametersOf } = require('./url-parameters.js');

const FORM = 'redis[s]://[[username]:password@]host[:port][/db][?option=value], or unix:///path[?option=value]';
const ESCAPES = 'In a name and a password, characters such as @ : / ? # and % must be percent escapes';

/** Transports by scheme. */
const SCHEMES = new Map([
  ['redis:', 'tcp'],
  ['valkey:', 'tcp'],
  ['rediss:', 'tls'],
  ['valkeys:', 'tls'],
  ['redis+tls:', 'tls'],
  ['unix:', 'unix'],
  ['redis+unix:', 'unix'],
  ['valkey+unix:', 'unix'],
]);

/** Returns true for an object of the class URL, of any realm. */
function isUrl(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof value.href === 'string' &&
    typeof value.searchParams === 'object'
  );
}

/**
 * Returns the options of a connection with its URL replaced by options, which override those beside the URL.
 * @param {string} what name of the argument
 * @param {string} name name of the URL in errors, which never contain a part of it
 */
function withoutUrl(what, given, name = 'url') {
  const isText = typeof given === 'string' || isUrl(given);
  const options = isText ? { url: given } : checks.object(what, given);
  const { url } = options;
  if (url === undefined || url === null) return options;
  if (typeof url !== 'string' && !isUrl(url)) throw new TypeError(`${name} must be a string or a URL`);
  const parsed = optionsOf(name, url);
  const tls = parsed.tls === true ? options.tls || true : (parsed.tls ?? options.tls);
  // The host of a URL can have either family; the option `host` defaults to IPv4.
  const family = parsed.family ?? options.family ?? (parsed.host === undefined ? undefined : 0);
  return { ...options, ...parsed, tls, family, url: undefined };
}

/**
 * Returns the options of a URL; none for an empty text.
 * @param {string} name
 * @param {string | URL} given
 */
function optionsOf(name, given) {
  const text = (typeof given === 'string' ? given : given.href).trim();
  if (text === '') return {};
  try {
    const url = parsed(text.startsWith('/') ? ofPath(text) : text);
    const parameters = parametersOf(url.search);
    for (const [option, value] of Object.entries(parameters)) connectionOptions({ [option]: value });
    const options = { ...parameters, ...placeOf(url, parameters), ...identityOf(url, parameters) };
    connectionOptions(options);
    return options;
  } catch ({ message }) {
    throw new TypeError(`${name} cannot be used: ${message}`);
  }
}

/** Converts a path into a URL. % and # have no special meaning in a path. */
function ofPath(text) {
  return `unix://${text.replace(/^[^?]*/, (path) => path.replaceAll('%', '%25').replaceAll('#', '%23'))}`;
}

function parsed(text) {
  let url = null;
  try {
    url = new URL(text);
  } catch {
    // The error of URL is dropped, since it repeats the text.
  }
  const isPlace = url !== null && SCHEMES.has(url.protocol) && /^$|^\//.test(url.pathname);
  if (!isPlace) throw new TypeError(`it must be of the form ${FORM}${text.includes('@') ? `. ${ESCAPES}` : ''}`);
  return url;
}

/** Returns the address of Redis, and its database. */
function placeOf({ protocol, hostname, port, pathname, hash }, { path, tls }) {
  if (SCHEMES.get(protocol) === 'unix') return { path: socketOf(hostname, pathname) };
  // An @ here means that an unescaped password has ended the host early.
  if (/@/.test(pathname + hash)) throw new TypeError(`there is an @ behind its host. ${ESCAPES}`);
  const isSecret = SCHEMES.get(protocol) === 'tls';
  if (isSecret && tls === false) throw new TypeError('the parameter tls must not be false with this scheme');
  const db = pathname.match(/^\/?(\d*)\/?$/)?.[1];
  if (db === undefined) throw new TypeError('its database must be a whole number');
  return {
    // The brackets of an IPv6 address are removed. A host overrides a path beside the URL.
    ...(hostname !== '' && { host: hostname.replace(/^\[(.*)\]$/, '$1'), path }),
    ...(port !== '' && { port: Number(port) }),
    ...(db !== '' && { db: Number(db) }),
    ...(isSecret && { tls: true }),
  };
}

function socketOf(hostname, pathname) {
  if (!['', 'localhost'].includes(hostname) || pathname.length < 2) {
    throw new TypeError('a unix socket must be of the form unix:///path');
  }
  return decoded('its path', pathname);
}

/** Returns username and password. As in ioredis, a password before the host overrides a parameter, a username does not. */
function identityOf(url, parameters) {
  const [user, secret] = [decoded('its username', url.username), decoded('its password', url.password)];
  const { username, allowUsernameInURI } = parameters;
  const names = allowUsernameInURI === true ? [user, username] : [username, allowUsernameInURI === false ? '' : user];
  return defined({ username: names.find(Boolean), password: secret || parameters.password });
}

function defined(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

module.exports = { isUrl, optionsOf, withoutUrl };
