'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { read, ROOT } = require('./documents.js');
const { targets } = require('../../scripts/package/targets.js');

const code = read('native.js');
const MISSING = 'there is none';

/** Names that the loader asks for on a system, in order, before it gives up. */
function asked({ platform, arch, abi }, variables = {}) {
  const names = [];
  const header = abi === 'gnu' ? { glibcVersionRuntime: '2.17' } : {};
  const sharedObjects = abi === 'musl' ? ['/lib/ld-musl-x86_64.so.1'] : [];
  const host = {
    platform,
    arch,
    env: {},
    config: { variables },
    report: { getReport: () => ({ header, sharedObjects }) },
  };
  const find = (name) => {
    // A file of the system that tells the C library; without it the report of Node does.
    if (name === 'node:fs') return { readFileSync: () => assert.fail(MISSING) };
    names.push(name);
    throw new Error(MISSING);
  };
  const load = new Function('require', 'process', 'module', code);
  assert.throws(() => load(find, host, {}), /Cannot find native binding/);
  return names;
}

for (const target of targets()) {
  test(`on ${target.name} the loader asks for the file beside it, then for the package of npm/${target.name}`, () => {
    const names = asked(target);
    const own = [`./hfxbus.${target.name}.node`, `@hfxbus/${target.name}`];
    assert.deepStrictEqual(
      names.filter((name) => own.includes(name)),
      own,
    );
    const packages = fs.readdirSync(path.join(ROOT, 'npm')).map((name) => `@hfxbus/${name}`);
    assert.deepStrictEqual(
      names.filter((name) => packages.includes(name)),
      [own[1]],
    );
  });
}

test('a Node for Windows that mingw compiled asks for the same package', () => {
  const target = targets().find(({ name }) => name === 'win32-x64');
  assert.deepStrictEqual(asked(target, { shlib_suffix: 'dll.a' }), asked(target));
});
