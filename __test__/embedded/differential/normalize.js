'use strict';

/** Maximum difference of times, in ms: the two servers do not get a command at the same time. */
const APART = 5000;

/** A number that is a time, and only has to be about the same. */
class Time {
  constructor(value, perUnit = 1) {
    this.ms = value * perUnit;
  }
}

/** Commands with a time as reply. */
const TIMES = { TTL: 1000, PTTL: 1, EXPIRETIME: 1000, PEXPIRETIME: 1 };
/** Fields of XINFO that are times, and one that is a matter of the implementation. */
const TIME_FIELDS = ['idle', 'seen-time'];
const OWN_FIELDS = ['radix-tree-nodes'];

/**
 * A reply as it would be on the other server too: without times, ids of entries by their numbers, sets in order.
 * @param {(id: string) => string | undefined} named the number of an entry
 */
function normal(words, reply, named) {
  const plain = readable(reply, named);
  // Messages of a subscriber belong to no command, and the order of its patterns is not defined.
  if (Array.isArray(plain) && plain[0] === 'message') return plain;
  if (Array.isArray(plain) && plain[0] === 'pmessage') return ['pmessage', 'a pattern', ...plain.slice(2)];
  const [name, sub] = words.map((word) => word.toUpperCase());
  if (name in TIMES) return typeof plain === 'number' && plain > 0 ? new Time(plain, TIMES[name]) : plain;
  if (!Array.isArray(plain)) return plain;
  switch (name) {
    case 'XPENDING':
      return words.length > 3 ? plain.map(([id, owner, idle, count]) => [id, owner, new Time(idle), count]) : plain;
    case 'XINFO':
      return fields(plain);
    case 'TIME':
      return [new Time(Number(plain[0]), 1000)];
    case 'KEYS':
      return [...plain].sort();
    case 'SCAN':
      return [plain[0], [...plain[1]].sort()];
    case 'PUBSUB':
      return sub === 'CHANNELS' ? [...plain].sort() : plain;
    case 'HELLO':
      return plain.map((value, at) => (plain[at - 1] === 'id' ? 'an id' : value));
    // Which of several channels is left first is a matter of the implementation.
    case 'UNSUBSCRIBE':
    case 'PUNSUBSCRIBE':
      return words.length === 1 ? [plain[0], 'one', plain[2]] : plain;
    default:
      return plain;
  }
}

/** Bytes as text, errors as their message. */
function readable(value, named) {
  if (Buffer.isBuffer(value)) {
    const text = value.toString('latin1');
    return named(text) ?? text;
  }
  if (value instanceof Error) return `-${value.message}`;
  return Array.isArray(value) ? value.map((one) => readable(one, named)) : value;
}

/** Replies of XINFO are names and values by turns, with lists of such in them. */
function fields(list) {
  return list.map((value, at) => {
    const name = list[at - 1];
    if (TIME_FIELDS.includes(name)) return new Time(value);
    if (OWN_FIELDS.includes(name)) return 'any number';
    if (name === 'pending' && Array.isArray(value)) return value.map(pendingTime);
    return Array.isArray(value) ? fields(value) : value;
  });
}

/** Of something pending the time is before the count of deliveries. */
function pendingTime(one) {
  return one.map((value, at) => (at === one.length - 2 ? new Time(value) : value));
}

/** Returns true if two normalized replies are equal. */
function same(one, other) {
  if (one instanceof Time && other instanceof Time) return Math.abs(one.ms - other.ms) <= APART;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, at) => same(value, other[at]));
  }
  return one === other;
}

module.exports = { normal, same };
