'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { targets } = require('../../scripts/package/targets.js');
const { GUESTS, whyNotRun } = require('../../scripts/platforms/guests.js');
const { IN_EMULATORS, LEFT_OUT, whyNot } = require('../../scripts/platforms/left-out.js');
const { ROOT } = require('./documents.js');

const files = ['compat', 'api'].flatMap((folder) => fs.readdirSync(path.join(ROOT, '__test__', folder)));

test('tests for emulators, and those left out by a platform, are files that exist', () => {
  const named = [...IN_EMULATORS, ...Object.values(LEFT_OUT).flatMap(Object.keys)];
  assert.deepStrictEqual(
    named.filter((name) => !files.includes(`${name}.test.js`)),
    [],
  );
});

test('a platform that is emulated runs a selection, and one that is not runs all', () => {
  const [chosen, other] = ['__test__/compat/ids.test.js', '__test__/compat/claiming.test.js'];
  assert.strictEqual(whyNot({ name: 'linux-arm64-gnu', isEmulated: true }, chosen), undefined);
  assert.match(whyNot({ name: 'linux-arm64-gnu', isEmulated: true }, other), /a selection/);
  assert.strictEqual(whyNot({ name: 'linux-x64-gnu' }, other), undefined);
  assert.match(whyNot({ name: 'win32-x64', isEmulated: true }, '__test__/compat/stop.test.js'), /a pipe/);
});

test('a platform without an emulator is not run, with the reason', () => {
  const names = targets().map(({ name }) => name);
  assert.deepStrictEqual(
    Object.keys(GUESTS).filter((name) => !names.includes(name)),
    [],
  );
  for (const name of names.filter((one) => !(one in GUESTS))) assert.match(whyNotRun(name), /no emulator/, name);
});
