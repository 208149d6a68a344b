'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { ConnectionManager } = require('../../index.js');

const GOOD = { sentinels: [{ host: 'h', port: 1 }], name: 'main' };

const open = (options) => () => ConnectionManager.standalone({ ...GOOD, ...options });

/** Invalid options, and the option that the error must name. */
const REFUSED = [
  [{ sentinels: [] }, TypeError, /^sentinels /],
  [{ sentinels: 'h:1' }, TypeError, /^sentinels /],
  [{ sentinels: ['h:1'] }, TypeError, /^sentinels\[0\] /],
  [{ sentinels: [{}, { port: 0 }] }, RangeError, /^sentinels\[1\]\.port /],
  [{ name: undefined }, TypeError, /^name /],
  [{ name: '' }, TypeError, /^name /],
  [{ role: 'primary' }, RangeError, /^role /],
  [{ sentinelPassword: {} }, TypeError, /^sentinelPassword /],
  [{ sentinelTLS: { ca: 5 } }, TypeError, /^sentinelTLS\.ca /],
  [{ sentinelCommandTimeout: -1 }, RangeError, /^sentinelCommandTimeout /],
  [{ natMap: { 'a:1': { host: 'b', port: 'c' } } }, TypeError, /^natMap\['a:1'\]\.port /],
  [{ preferredSlaves: ['h:1'] }, TypeError, /^preferredSlaves /],
  [{ tls: {} }, TypeError, /^enableTLSForSentinelMode /],
];

for (const [options, kind, message] of REFUSED) {
  test(`${JSON.stringify(options)} is refused by name`, () => {
    assert.throws(open(options), { name: kind.name, message });
  });
}

/** Valid options, some of them without effect. */
const ACCEPTED = [
  {},
  { sentinels: [{}] },
  { sentinels: null },
  { role: null },
  { sentinelTLS: true, tls: {}, enableTLSForSentinelMode: true },
  { tls: {}, enableTLSForSentinelMode: false },
  { natMap: null, preferredSlaves: () => null, sentinelRetryStrategy: null },
  { sentinelReconnectStrategy: () => 5, sentinelMaxConnections: 3, failoverDetector: true },
];

test('options that ioredis accepts are accepted, and not changed', () => {
  for (const options of ACCEPTED) {
    const given = Object.freeze({ ...options });
    assert.doesNotThrow(open(given), JSON.stringify(options));
  }
  const preferredSlaves = Object.freeze(
    [
      { ip: 'h', port: 1, prio: 2 },
      { ip: 'h', port: 2 },
    ].map(Object.freeze),
  );
  assert.doesNotThrow(open({ preferredSlaves }));
});
