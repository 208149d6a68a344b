'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { flagsFor } = require('../../scripts/package/flags.js');
const { targets } = require('../../scripts/package/targets.js');
const { read, ROOT } = require('./documents.js');

const SEPARATOR = '\x1f';

test('the flags of every target replace the folder of this checkout, so that it is in no binary', () => {
  for (const target of targets()) {
    const flags = flagsFor(target, {}).CARGO_ENCODED_RUSTFLAGS.split(SEPARATOR);
    assert.ok(flags.includes(`--remap-path-prefix=${ROOT}=/hfxbus`), target.name);
  }
});

test('the flags repeat those that .cargo/config.toml has for a target, since they come in their place', () => {
  const config = read('.cargo/config.toml');
  for (const target of targets(process.platform).filter(({ platform }) => platform === 'linux')) {
    const [, set] =
      new RegExp(`^\\[target\\.${target.triple}\\]\\nrustflags = \\["-C", "(.*)"\\]$`, 'm').exec(config) ?? [];
    const flags = flagsFor(target, {}).CARGO_ENCODED_RUSTFLAGS.split(SEPARATOR);
    assert.strictEqual(
      flags.includes('-Ctarget-feature=-crt-static'),
      set === 'target-feature=-crt-static',
      target.name,
    );
  }
});

test('targets of macOS are built for the oldest system of Node 18', () => {
  const oldest = targets()
    .filter(({ platform }) => platform === 'darwin')
    .map((target) => [target.name, flagsFor(target, {}).MACOSX_DEPLOYMENT_TARGET]);
  assert.deepStrictEqual(Object.fromEntries(oldest), { 'darwin-x64': '10.15', 'darwin-arm64': '11.0' });
});
