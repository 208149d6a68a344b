'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { linkedIn } = require('../../scripts/supply/crates.js');
const { ALLOWED, licensesOf } = require('../../scripts/supply/licenses.js');
const { billOfMaterials } = require('../../scripts/supply/sbom.js');
const { read } = require('./documents.js');

const NORMAL = null;

test('crates of the addon are those that it links, without macros, build scripts and tests', () => {
  const graph = graphOf({
    root: [
      ['linked', NORMAL],
      ['macro', NORMAL],
      ['builder', 'build'],
      ['tester', 'dev'],
    ],
    linked: [['deeper', NORMAL]],
    macro: [['parser', NORMAL]],
    deeper: [],
    builder: [],
    tester: [],
    parser: [],
  });
  assert.deepStrictEqual(
    linkedIn(graph).map(({ name, folder }) => [name, folder]),
    [
      ['linked', '/cargo/linked'],
      ['deeper', '/cargo/deeper'],
    ],
  );
});

test('a licence is chosen for each part of an expression, or the crate is refused', () => {
  assert.deepStrictEqual(licensesOf('Apache-2.0 OR MIT'), ['MIT']);
  assert.deepStrictEqual(licensesOf('MIT/Apache-2.0'), ['MIT']);
  assert.deepStrictEqual(licensesOf('(MIT OR Apache-2.0) AND Unicode-3.0'), ['MIT', 'Unicode-3.0']);
  assert.strictEqual(licensesOf('GPL-3.0'), null);
  assert.strictEqual(licensesOf('MIT AND GPL-3.0'), null);
  assert.strictEqual(licensesOf(''), null);
});

test('cargo-deny allows the same licences', () => {
  const [, list] = /^allow = \[(.*)\]$/m.exec(read('deny.toml'));
  const allowed = [...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name);
  assert.deepStrictEqual(allowed.sort(), [...ALLOWED].sort());
});

test('the bill of materials has crates with their checksums and packages, and is the same each time', () => {
  const [, version, checksum] = /name = "tokio"\nversion = "(.*)"\n.*\nchecksum = "(.*)"/.exec(read('Cargo.lock'));
  const crates = [{ name: 'tokio', version, license: 'MIT' }];
  const text = billOfMaterials(crates);
  assert.strictEqual(billOfMaterials(crates), text);
  const { components } = JSON.parse(text);
  const purl = `pkg:cargo/tokio@${version}`;
  const found = components.find((one) => one.purl === purl);
  assert.deepStrictEqual(found.hashes, [{ alg: 'SHA-256', content: checksum }]);
  const packages = components.filter((one) => one.purl.startsWith('pkg:npm/')).map(({ name }) => name);
  assert.deepStrictEqual(packages.sort(), ['debug', 'eventemitter3', 'ms']);
});

/** A graph as `cargo metadata` gives it. */
function graphOf(edges) {
  const names = Object.keys(edges);
  return {
    packages: names.map((name) => ({
      id: name,
      name,
      version: '1.0.0',
      license: 'MIT',
      manifest_path: `/cargo/${name}/Cargo.toml`,
      targets: [{ kind: [name === 'macro' ? 'proc-macro' : 'lib'] }],
    })),
    resolve: {
      root: 'root',
      nodes: names.map((id) => ({
        id,
        deps: edges[id].map(([pkg, kind]) => ({ pkg, dep_kinds: [{ kind }] })),
      })),
    },
  };
}
