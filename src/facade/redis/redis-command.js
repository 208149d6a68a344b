'use strict';

const checks = require('../options/validate.js');
const { engineError } = require('../support/errors.js');
const { firstKey } = require('./first-key.js');
const { FIRST_KEYS } = require('./redis-commands.js');
const { toWords } = require('./command-arguments.js');

/** Refused commands, since they change the replies of a connection, with advice. */
const REFUSED = {
  subscribe: 'use producer.listen(), or another Redis client',
  psubscribe: 'use producer.listen(), or another Redis client',
  ssubscribe: 'use another Redis client',
  unsubscribe: 'this connection has no subscriptions',
  punsubscribe: 'this connection has no subscriptions',
  sunsubscribe: 'this connection has no subscriptions',
  monitor: 'use redis-cli',
  sync: 'only replicas use it',
  psync: 'only replicas use it',
  quit: 'use client.quit()',
};

/** Commands that must not be sent again after a reconnection. */
const ONCE = ['shutdown'];

/** Command of the user, with the conversion of its reply. */
class RedisCommand {
  /** @param {boolean} asBytes true for Buffers instead of strings in the reply */
  constructor(command, args, asBytes) {
    const given = checks.name('command', command);
    if (given === '') throw new TypeError('command must be the name of a command');
    /** Name in upper case, as in errors. */
    this.name = given.toUpperCase();
    this.words = toWords(isKnown(given) ? given.toLowerCase() : given, args);
    this.asBytes = asBytes;
    refuse(this.words);
  }

  /** Returns the index of the first key, or -1. */
  get firstKey() {
    return firstKey(this.words);
  }

  get isSentOnce() {
    return ONCE.includes(this.words[0]);
  }

  /** Converts the engine's reply into the form of ioredis. */
  reply(value, stringNumbers) {
    const plain = toPlain(value, this.asBytes, stringNumbers);
    return this.name === 'HGETALL' && Array.isArray(plain) ? toObject(plain) : plain;
  }
}

function isKnown(name) {
  return Object.hasOwn(FIRST_KEYS, name.toLowerCase());
}

function refuse(words) {
  const [name, argument] = words;
  const why = Object.hasOwn(REFUSED, name) ? REFUSED[name] : byArgument(name, argument);
  if (why === undefined) return;
  const command = name.toUpperCase();
  throw engineError({
    kind: 'refused',
    message: `${command} is refused, since it changes the replies of its connection: ${why}`,
    command,
  });
}

function byArgument(name, argument) {
  if (argument === undefined) return undefined;
  const text = Buffer.from(argument).toString().toLowerCase();
  if (name === 'client' && text === 'reply') return 'every command must have a reply';
  if (name === 'hello' && text !== '2') return 'only RESP2 is supported';
  return undefined;
}

/** Converts a reply. A large integer becomes a string with `stringNumbers`, and otherwise the nearest number. */
function toPlain(value, asBytes, stringNumbers) {
  if (Buffer.isBuffer(value)) return asBytes ? value : value.toString();
  if (Array.isArray(value)) return value.map((element) => toPlain(element, asBytes, stringNumbers));
  if (typeof value === 'string') return asBytes ? Buffer.from(value) : value;
  if (typeof value !== 'number' && typeof value !== 'bigint') return value;
  return stringNumbers ? String(value) : Number(value);
}

function toObject(pairs) {
  const object = {};
  for (let index = 0; index < pairs.length; index += 2) {
    const [key, value] = [String(pairs[index]), pairs[index + 1]];
    if (key === '__proto__') {
      Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: true });
    } else {
      object[key] = value;
    }
  }
  return object;
}

module.exports = { RedisCommand, isKnown };
