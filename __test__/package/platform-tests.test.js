'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { targets } = require('../../scripts/package/targets.js');
const { GUESTS, whyNotRun } = require('../../scripts/platforms/guests.js');
const { IN_EMULATORS, whyNot } = require('../../scripts/platforms/selection.js');
const { ROOT } = require('./documents.js');

const files = ['compat', 'api'].flatMap((folder) => fs.readdirSync(path.join(ROOT, '__test__', folder)));

test('tests for emulators are files that exist', () => {
  assert.deepStrictEqual(
    IN_EMULATORS.filter((name) => !files.includes(`${name}.test.js`)),
    [],
  );
});

test('a platform that is emulated runs a selection, and one that is not runs all', () => {
  const [chosen, other] = ['__test__/compat/ids.test.js', '__test__/compat/claiming.test.js'];
  assert.strictEqual(whyNot({ isEmulated: true }, chosen), undefined);
  assert.match(whyNot({ isEmulated: true }, other), /a selection/);
  assert.strictEqual(whyNot({}, other), undefined);
});

test('a platform without an emulator is not run, with the reason', () => {
  const names = targets().map(({ name }) => name);
  assert.deepStrictEqual(
    Object.keys(GUESTS).filter((name) => !names.includes(name)),
    [],
  );
  for (const name of names.filter((one) => !(one in GUESTS))) assert.match(whyNotRun(name), /no emulator/, name);
});
