'use strict';

const { NOT_QUEUED } = require('./runner.js');
const { Words } = require('./vocabulary.js');

/** First commands of most sequences, so that later commands find data. */
const BEGINNING = ['s1', 's2'].map((stream) => ({
  client: 0,
  words: ['XGROUP', 'CREATE', stream, 'g1', '0', 'MKSTREAM'],
}));

/** Number of connections. */
const CLIENTS = 3;

/** Some of these, each with these odds. */
const maybe = (words, odds, make) => (words.chance(odds) ? make() : []);

/** Far expiry times: a server removes keys that expire at once at a time of its own. */
const expiry = (w) =>
  w.pick([
    [w.cased(w.pick(['EX', 'PX'])), ...maybe(w, 0.95, () => [w.ms()])],
    [w.cased(w.pick(['EXAT', 'PXAT'])), w.pick(['9999999999999', '9999999999999', '0', '-5', 'x'])],
    ['KEEPTTL'],
  ]);
const flags = (w) => maybe(w, 0.4, () => w.some(['NX', 'XX', 'GT', 'LT', 'foo'], 2));
const trim = (w) => [
  w.cased(w.pick(['MAXLEN', 'MINID'])),
  ...maybe(w, 0.6, () => [w.pick(['~', '='])]),
  w.chance(0.6) ? w.count() : w.id(),
  ...maybe(w, 0.2, () => ['LIMIT', w.number()]),
];
const fields = (w) => Array.from({ length: 1 + w.below(3) }, () => [w.field(), w.value()]).flat();
const streams = (w, ids) => {
  const keys = w.some(['s1', 's1', 's1', 's2', 's2', 's3', 'k1'], 2);
  return ['STREAMS', ...keys, ...keys.map(ids)];
};
const block = (w) => maybe(w, 0.25, () => ['BLOCK', w.pick(['0', '100000', '1', '1', 'x', '-1'])]);
const ids = (w) => Array.from({ length: 1 + w.below(3) }, () => w.id());
const claimOptions = (w) => [
  ...maybe(w, 0.3, () => ['IDLE', w.pick(['0', '2000000', 'x', '-5'])]),
  ...maybe(w, 0.1, () => ['TIME', w.pick(['1000', '99999999999999', 'x'])]),
  ...maybe(w, 0.2, () => ['RETRYCOUNT', w.number()]),
  ...maybe(w, 0.3, () => ['FORCE']),
  ...maybe(w, 0.3, () => ['JUSTID']),
  ...maybe(w, 0.1, () => ['LASTID', w.id()]),
];

/** Frequency of each command, and the generator of its arguments. */
const COMMANDS = [
  [
    4,
    (w) => [
      'SET',
      w.key(),
      w.value(),
      ...maybe(w, 0.3, () => expiry(w)),
      ...maybe(w, 0.3, () => w.some(['NX', 'XX', 'GET'])),
    ],
  ],
  [3, (w) => ['GET', w.key()]],
  [1, (w) => ['MGET', ...w.some(['k1', 'k2', 's1', 'none'])]],
  [1, (w) => ['MSET', w.key(), w.value(), w.key(), w.value()]],
  [1, (w) => [w.pick(['SETEX', 'PSETEX']), w.key(), w.ms(), w.value()]],
  [1, (w) => [w.pick(['SETNX', 'GETSET', 'APPEND']), w.key(), w.value()]],
  [1, (w) => [w.pick(['GETDEL', 'STRLEN', 'INCR', 'DECR']), w.key()]],
  [1, (w) => [w.pick(['INCRBY', 'DECRBY']), w.key(), w.number()]],
  [1, (w) => ['GETEX', w.key(), ...maybe(w, 0.6, () => (w.chance(0.3) ? ['PERSIST'] : expiry(w)))]],
  [3, (w) => [w.pick(['DEL', 'UNLINK', 'EXISTS', 'TOUCH']), ...w.some(['k1', 'k2', 'k3', 'k4', 's3', 'none'])]],
  [2, (w) => [w.pick(['EXPIRE', 'EXPIREAT']), w.anyKey(), w.seconds(), ...flags(w)]],
  [2, (w) => [w.pick(['PEXPIRE', 'PEXPIREAT']), w.anyKey(), w.ms(), ...flags(w)]],
  [2, (w) => [w.pick(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME', 'PERSIST', 'TYPE']), w.anyKey()]],
  [1, (w) => ['KEYS', w.pick(['*', 'k*', '[ks]1', 'k?', 'none'])]],
  [
    1,
    (w) => [
      'SCAN',
      '0',
      'COUNT',
      w.chance(0.9) ? '1000' : w.pick(['0', 'x']),
      ...maybe(w, 0.3, () => ['MATCH', 'k*']),
      ...maybe(w, 0.3, () => ['TYPE', w.pick(['string', 'stream', 'list'])]),
    ],
  ],
  [0.3, () => ['DBSIZE']],
  [0.1, (w) => [w.pick(['FLUSHALL', 'FLUSHDB']), ...maybe(w, 0.3, () => [w.pick(['SYNC', 'ASYNC', 'foo'])])]],

  [
    16,
    (w) => [
      'XADD',
      w.stream(),
      ...maybe(w, 0.05, () => ['NOMKSTREAM']),
      ...maybe(w, 0.15, () => trim(w)),
      w.newId(),
      ...fields(w),
    ],
  ],
  [2, (w) => ['XTRIM', w.stream(), ...trim(w)]],
  [2, (w) => ['XDEL', w.stream(), ...ids(w)]],
  [1, (w) => ['XLEN', w.stream()]],
  [2, (w) => ['XRANGE', w.stream(), w.start(), w.end(), ...maybe(w, 0.4, () => ['COUNT', w.count()])]],
  [2, (w) => ['XREVRANGE', w.stream(), w.end(), w.start(), ...maybe(w, 0.4, () => ['COUNT', w.count()])]],
  [
    1,
    (w) => ['XSETID', w.stream(), w.id(), ...maybe(w, 0.3, () => ['ENTRIESADDED', w.number(), 'MAXDELETEDID', w.id()])],
  ],
  [
    3,
    (w) => [
      'XREAD',
      ...maybe(w, 0.4, () => ['COUNT', w.count()]),
      ...block(w),
      ...streams(w, () => (w.chance(0.3) ? '$' : w.id())),
    ],
  ],
  [
    12,
    (w) => [
      'XREADGROUP',
      'GROUP',
      w.group(),
      w.consumer(),
      ...maybe(w, 0.5, () => ['COUNT', w.count()]),
      ...block(w),
      ...maybe(w, 0.1, () => ['NOACK']),
      ...streams(w, () => (w.chance(0.7) ? '>' : w.id())),
    ],
  ],
  [5, (w) => ['XACK', w.stream(), w.group(), ...ids(w)]],
  [2, (w) => ['XPENDING', w.stream(), w.group()]],
  [
    4,
    (w) => [
      'XPENDING',
      w.stream(),
      w.group(),
      ...maybe(w, 0.3, () => ['IDLE', w.idle()]),
      w.start(),
      w.end(),
      w.count(),
      ...maybe(w, 0.4, () => [w.consumer()]),
    ],
  ],
  [5, (w) => ['XCLAIM', w.stream(), w.group(), w.consumer(), w.idle(), ...ids(w), ...claimOptions(w)]],
  [
    4,
    (w) => [
      'XAUTOCLAIM',
      w.stream(),
      w.group(),
      w.consumer(),
      w.idle(),
      w.start(),
      ...maybe(w, 0.4, () => ['COUNT', w.count()]),
      ...maybe(w, 0.3, () => ['JUSTID']),
    ],
  ],
  [
    6,
    (w) => [
      'XGROUP',
      'CREATE',
      w.stream(),
      w.group(),
      w.chance(0.4) ? '$' : w.chance(0.5) ? '0' : w.id(),
      ...maybe(w, 0.6, () => ['MKSTREAM']),
      ...maybe(w, 0.1, () => ['ENTRIESREAD', w.number()]),
    ],
  ],
  [
    1,
    (w) => [
      'XGROUP',
      'SETID',
      w.stream(),
      w.group(),
      w.chance(0.4) ? '$' : w.id(),
      ...maybe(w, 0.2, () => ['ENTRIESREAD', w.number()]),
    ],
  ],
  [0.5, (w) => ['XGROUP', 'DESTROY', w.stream(), w.group()]],
  [1, (w) => ['XGROUP', w.pick(['CREATECONSUMER', 'DELCONSUMER']), w.stream(), w.group(), w.consumer()]],
  [
    2,
    (w) => [
      'XINFO',
      'STREAM',
      w.stream(),
      ...maybe(w, 0.4, () => ['FULL', ...maybe(w, 0.5, () => ['COUNT', w.count()])]),
    ],
  ],
  [2, (w) => ['XINFO', 'GROUPS', w.stream()]],
  [2, (w) => ['XINFO', 'CONSUMERS', w.stream(), w.group()]],

  [2, (w) => ['PUBLISH', w.channel(), w.value()]],
  [1, (w) => [w.pick(['SUBSCRIBE', 'UNSUBSCRIBE']), ...w.some(['ch:1', 'ch:2', 'other'], 2)]],
  [1, (w) => [w.pick(['PSUBSCRIBE', 'PUNSUBSCRIBE']), w.pattern()]],
  [0.4, (w) => [w.pick(['UNSUBSCRIBE', 'PUNSUBSCRIBE'])]],
  [
    1,
    (w) => [
      'PUBSUB',
      ...w.pick([['CHANNELS'], ['CHANNELS', 'ch:*'], ['NUMPAT'], ['NUMSUB', 'ch:1', 'other'], ['foo']]),
    ],
  ],

  [2, () => ['MULTI']],
  [2.5, () => ['EXEC']],
  [0.4, () => ['DISCARD']],
  [1, (w) => ['WATCH', ...w.some(['k1', 'k2', 's1', 's2'], 2)]],
  [0.3, () => ['UNWATCH']],

  [0.5, (w) => ['PING', ...maybe(w, 0.5, () => [w.value()])]],
  [0.3, (w) => ['ECHO', w.value()]],
  [
    0.3,
    (w) => [
      'CLIENT',
      ...w.pick([
        ['SETNAME', 'me'],
        ['SETNAME', 'a b'],
        ['GETNAME'],
        ['NO-EVICT', 'off'],
        ['foo'],
        ['UNBLOCK', 'x'],
        ['KILL', 'ID', '0'],
        ['LIST', 'TYPE', 'foo'],
      ]),
    ],
  ],
  [
    0.3,
    (w) => [
      'HELLO',
      ...w.pick([[], ['2'], ['4'], ['x'], ['2', 'SETNAME', 'me'], ['2', 'AUTH', 'default', 'x'], ['2', 'foo']]),
    ],
  ],
  [0.2, (w) => ['AUTH', ...w.pick([['x'], ['default', 'x'], ['nobody', 'x']])]],
  [0.2, (w) => ['SELECT', w.pick(['0', '99', 'x'])]],
  [0.3, () => ['RESET']],
  [0.2, (w) => ['SCRIPT', ...w.pick([['EXISTS', 'x'], ['FLUSH'], ['FLUSH', 'foo'], ['KILL']])]],
  [0.2, (w) => ['EVALSHA', 'ffffffffffffffffffffffffffffffffffffffff', w.pick(['0', '1', 'x', '-1'])]],
  [0.2, (w) => [w.pick(['FOO', 'XFOO']), w.value(), w.value()]],
  [0.2, (w) => [w.pick(['ROLE', 'READONLY', 'ASKING', 'CLUSTER', 'WAIT', 'TIME'])]],
];
const TOTAL = COMMANDS.reduce((sum, [weight]) => sum + weight, 0);

/**
 * A sequence of commands, each with the client that sends it. The same for the same chance.
 * @param {import('../../faults/random.js').Random} random
 * @returns {{ client: number, words: string[] }[]}
 */
function generate(random, length) {
  const words = new Words(random, random.next() < 0.4);
  const first = words.chance(0.8) ? BEGINNING : [];
  const rest = Array.from({ length: Math.max(0, length - first.length) }, () => {
    // Mostly one client: the others are there to watch, to wait and to listen.
    const client = words.chance(0.6) ? 0 : words.below(CLIENTS);
    return { client, words: spoiled(words, choose(words)) };
  });
  return [...first, ...rest].slice(0, length);
}

function choose(words) {
  let left = words.below(TOTAL * 1000) / 1000;
  for (const [weight, make] of COMMANDS) {
    left -= weight;
    if (left < 0) return make(words);
  }
  return ['PING'];
}

/** Some commands miss a word, have one too many, or another one. */
function spoiled(words, command) {
  if (!words.chance(0.04) || [...NOT_QUEUED, 'CLUSTER'].includes(command[0])) return command;
  const at = 1 + words.below(command.length);
  const rest = words.pick([[], ['foo'], [words.value(), words.value()]]);
  return [...command.slice(0, at), ...rest, ...command.slice(at + 1)];
}

module.exports = { generate, CLIENTS };
