'use strict';

const assert = require('node:assert');
const { randomInt } = require('node:crypto');
const test = require('node:test');
const { isSince } = require('../support/cases.js');
const { everySubject } = require('../support/implementations.js');
const { faults } = require('./list.js');
const { attempt } = require('./run.js');

const ours = everySubject.find(({ env }) => env === 'ours');

/** Faults that take seconds, and how large they are here. */
const SIZES = {
  F1: 0.2,
  F2: 0.3,
  F3: 0.4,
  F4: 0.3,
  F5n: 0.2,
  F5s: 0.1,
  F6s: 0.1,
  F11: 0.05,
  F11n: 0.05,
  F12: 0.1,
  F13: 0.05,
  F17: 0.3,
  F20: 0.4,
  F21: 0.3,
  F22: 0.2,
  F25: 0.2,
  F26: 0.3,
  F28: 0.05,
  F29: 0.1,
  F31: 0.02,
  F34: 0.1,
};

for (const [id, size] of Object.entries(SIZES)) {
  const fault = faults.find((one) => one.id === id);
  if (!isSince(fault.since ?? 0)) {
    console.log(`left out: ${id} ${fault.title}: it needs Redis ${fault.since}`);
    continue;
  }
  test(`${id} ${fault.title}: it meets its pass marks`, { timeout: 60000 }, async (t) => {
    const seed = randomInt(2 ** 32);
    const result = await attempt(fault, ours, { size, seed });
    t.diagnostic(`seed ${seed}: ${JSON.stringify(result)}`);
    assert.deepStrictEqual(result.misses, []);
  });
}
