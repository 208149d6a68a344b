'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { install } = require('./installed.js');

const BINARY = `hfxbus.${process.platform}-${process.arch}`;

describe('without a matching binary', () => {
  let folder;
  let installed;

  before(() => {
    folder = install();
    installed = path.join(folder, 'node_modules', 'hfxbus');
    for (const name of fs.readdirSync(installed).filter((file) => file.endsWith('.node'))) {
      fs.rmSync(path.join(installed, name));
    }
    fs.writeFileSync(path.join(folder, 'program.js'), 'function start() {\n  require("hfxbus");\n}\nstart();\n');
  });

  it('loading fails with the platform, the attempts, and the command that builds a binary', () => {
    const { message, code } = failure('require("hfxbus")');
    assert.strictEqual(code, 'NO_BINARY');
    const [first, ...rest] = message.split('\n');
    const { node } = process.versions;
    assert.ok(first.startsWith(`hfxbus has no binary that runs here: ${process.platform} ${process.arch}, `), first);
    assert.ok(first.endsWith(`, Node ${node}.`), first);
    if (process.platform === 'linux') assert.match(first, /, (glibc \d+\.\d+|musl), /);
    assert.ok(rest.includes(`Tried from ${fs.realpathSync(installed)}:`), message);
    const tried = rest.filter((line) => line.startsWith('  - '));
    assert.ok(tried[0].includes(`./${BINARY}`), message);
    assert.ok(
      tried.some((line) => line.includes(`@hfxbus/${process.platform}-`)),
      message,
    );
    assert.strictEqual(rest.at(-1), '  npm ci && npm run build && npm pack');
  });

  it('every entry point fails in that way', () => {
    for (const load of ['require("hfxbus/testing")', 'import("hfxbus")', 'import("hfxbus/testing")']) {
      assert.strictEqual(failure(load).code, 'NO_BINARY', load);
    }
  });

  it('the stack shows the module that loads the package, and no inner frames', () => {
    const { status, stderr } = spawnSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' });
    assert.strictEqual(status, 1);
    assert.match(stderr, /at start \(.*program\.js:2:3\)/);
    assert.doesNotMatch(stderr, /at .*(node:internal|native\.js|index\.js)|cause|npm\/cli/);
  });

  it('a file that is no binary is named with the error of the system', () => {
    const loader = fs.readFileSync(path.join(installed, 'native.js'), 'utf8');
    const names = [...loader.matchAll(/'\.\/(hfxbus\.[\w-]+\.node)'/g)].map(([, name]) => name);
    const files = names.filter((name) => name.startsWith(BINARY)).map((name) => path.join(installed, name));
    for (const file of files) fs.writeFileSync(file, 'not a library');
    const { message } = failure('require("hfxbus")');
    for (const file of files) fs.rmSync(file);
    assert.match(message, new RegExp(`^ {2}- .*${BINARY}.*: (?!Cannot find).+`, 'm'));
  });

  /** Returns the error of loading in a process of its own. */
  function failure(load) {
    const program = `(async () => ${load})().then(() => process.exit(3), ({ message, code }) =>
      console.log(JSON.stringify({ message, code })))`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: folder, encoding: 'utf8' });
    assert.strictEqual(stderr, '');
    return JSON.parse(stdout);
  }
});
