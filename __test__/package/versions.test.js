'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { filesOf, read, ROOT } = require('./documents.js');

const main = JSON.parse(read('package.json'));
const platforms = fs.readdirSync(path.join(ROOT, 'npm'));
const packageOf = (platform) => JSON.parse(read(`npm/${platform}/package.json`));

test('every file that names the version of the package names the same one', () => {
  const versions = {
    'package-lock.json': JSON.parse(read('package-lock.json')).version,
    'Cargo.toml': read('Cargo.toml').match(/^version = "(.*)"$/m)[1],
    'Cargo.lock': read('Cargo.lock').match(/^name = "hfxbus"\nversion = "(.*)"$/m)[1],
    'CHANGELOG.md': read('CHANGELOG.md').match(/^## \[(\d.*?)\]/m)[1],
    'README.md': read('README.md').match(/^(\d\S+) is /m)[1],
    'API.md': read('API.md').match(/^This page describes (\S+):/m)[1],
    'native.js': read('native.js').match(/expected (\S+) but got/)[1],
  };
  for (const platform of platforms) versions[`npm/${platform}`] = packageOf(platform).version;
  for (const [file, version] of Object.entries(versions)) assert.strictEqual(version, main.version, file);
});

test('every target has its package, under the name that the loader requires', () => {
  assert.strictEqual(platforms.length, main.napi.targets.length);
  const loader = read('native.js');
  for (const platform of platforms) {
    const { name, main: binary, license, engines } = packageOf(platform);
    assert.strictEqual(name, `@hfxbus/${platform}`);
    assert.ok(loader.includes(`require('${name}')`), name);
    assert.ok(loader.includes(`require('./${binary}')`), binary);
    assert.deepStrictEqual([license, engines], [main.license, main.engines]);
  }
});

test('the lock file has the programs of every platform', () => {
  const { packages } = JSON.parse(read('package-lock.json'));
  for (const [parent, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const name of Object.keys(optionalDependencies)) {
      assert.ok(`node_modules/${name}` in packages || `${parent}/node_modules/${name}` in packages, name);
    }
  }
});

test('neither documents nor packages name a registry or a local folder', () => {
  const documents = ['README.md', 'API.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'MIGRATION.md'];
  const docs = filesOf('docs').filter((name) => !name.endsWith('.png'));
  const files = [...documents, ...docs, 'package.json', 'package-lock.json'];
  for (const file of files) assert.doesNotMatch(read(file), /"resolved"|\/(?:home|root|work|Users)\//, file);
});
