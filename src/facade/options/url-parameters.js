'use strict';

/** Readers of a parameter's text. */
const READERS = { text: (text) => text, number, retries, flag };

/** Options that can be parameters, by their reader. */
const NAMES = {
  text: [
    ...['host', 'path', 'username', 'password', 'connectionName', 'keyPrefix', 'retain'],
    ...['name', 'role', 'sentinelUsername', 'sentinelPassword'],
  ],
  number: [
    ...['port', 'family', 'db', 'sequence', 'maxQueuedCommands', 'maxQueuedBytes', 'sentinelCommandTimeout'],
    ...['connectTimeout', 'commandTimeout', 'socketTimeout', 'keepAlive', 'maxLoadingRetryTime'],
    ...['retainFor', 'backlogLimit'],
  ],
  retries: ['maxRetriesPerRequest'],
  flag: [
    ...['noDelay', 'lazyConnect', 'readOnly', 'enableOfflineQueue', 'enableReadyCheck', 'autoResubscribe'],
    ...['autoResendUnfulfilledCommands', 'stringNumbers', 'enablePipelining', 'tls', 'allowUsernameInURI'],
    ...['enableTLSForSentinelMode', 'updateSentinels', 'failoverDetector'],
  ],
};

const READER_OF = new Map(
  Object.entries(NAMES).flatMap(([reader, names]) => names.map((name) => [name, READERS[reader]])),
);

/** Aliases of options, as in some URLs of unix sockets. */
const ALIASES = new Map([
  ['user', 'username'],
  ['pass', 'password'],
]);

/** Options that a text cannot express. */
const NO_TEXTS = new Set([
  ...['url', 'sentinels', 'sentinelTLS', 'natMap', 'preferredSlaves', 'staticRoutes'],
  ...['retryStrategy', 'sentinelRetryStrategy', 'sentinelReconnectStrategy', 'reconnectOnError'],
]);

/**
 * Returns the options from the parameters of a URL. Unknown parameters are ignored, as in ioredis.
 * @param {string} search query of the URL, with its question mark
 * @returns {object} options
 * @throws {TypeError} with the name of an invalid parameter, without its value
 */
function parametersOf(search) {
  const options = {};
  for (const pair of search.slice(1).split('&').filter(Boolean)) {
    const [key, value] = pair.split(/=(.*)/s, 2);
    const name = nameOf(key);
    if (NO_TEXTS.has(name)) throw new TypeError(`the parameter ${name} cannot be given in a URL`);
    if (name === 'protocol') refuseProtocol(value);
    const read = READER_OF.get(name);
    if (read === undefined) continue;
    if (Object.hasOwn(options, name)) throw new TypeError(`the parameter ${name} is given twice`);
    options[name] = read(decoded(`the parameter ${name}`, (value ?? '').replaceAll('+', ' ')), name);
  }
  return options;
}

function nameOf(key) {
  // An @ in a name means that an unescaped password has begun the query.
  if (key.includes('@')) throw new TypeError('there is an @ behind its host: in a password, write ? as %3F');
  const name = decoded('the name of a parameter', key.replaceAll('+', ' '));
  return ALIASES.get(name) ?? name;
}

/** Refuses other protocols than RESP2. */
function refuseProtocol(value) {
  if (value !== '2') throw new TypeError('the parameter protocol must be 2');
}

/** Decodes percent escapes. */
function decoded(what, text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(`${what} has a % that begins no escape: write % as %25, and other characters as UTF-8`);
  }
}

function number(text, name) {
  if (text === 'Infinity') return Infinity;
  if (!/^\d+$/.test(text)) throw new TypeError(`the parameter ${name} must be a whole number`);
  return Number(text);
}

function retries(text, name) {
  return text === 'null' ? null : number(text, name);
}

function flag(text, name) {
  if (['true', '1'].includes(text)) return true;
  if (['false', '0'].includes(text)) return false;
  throw new TypeError(`the parameter ${name} must be true or false`);
}

module.exports = { parametersOf, decoded };
