'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, beforeEach, describe, it } = require('node:test');
const { stageMain, stagePlatform, stageSelfContained } = require('../../scripts/package/stage.js');
const { obstacle, runsHere, targets } = require('../../scripts/package/targets.js');
const { ROOT } = require('./documents.js');

const here = targets().find(runsHere);
const addon = { name: here.name, file: path.join(ROOT, `hfxbus.${here.name}.node`) };
const LOADED = 'const { HFXBUS_ID_SIZE } = require("hfxbus"); console.log(HFXBUS_ID_SIZE)';

describe('packages for publishing', () => {
  const folders = [];
  let modules;

  beforeEach(() => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-platforms-'));
    folders.push(folder);
    modules = path.join(folder, 'node_modules');
    fs.mkdirSync(path.join(modules, 'hfxbus'), { recursive: true });
    const emitter = path.join('node_modules', 'eventemitter3');
    fs.cpSync(path.join(ROOT, emitter), path.join(folder, emitter), { recursive: true });
  });

  after(() => {
    for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
  });

  it('the main one has no addon, runs nothing when it is installed, and asks for a platform at its own version', () => {
    stageMain(path.join(modules, 'hfxbus'));
    const { version, scripts, optionalDependencies, devDependencies } = manifest('hfxbus');
    assert.deepStrictEqual(addonsIn('hfxbus'), []);
    assert.deepStrictEqual([scripts, devDependencies], [undefined, undefined]);
    const names = targets().map(({ name }) => `@hfxbus/${name}`);
    assert.deepStrictEqual(optionalDependencies, Object.fromEntries(names.sort().map((name) => [name, version])));
  });

  it('the main one cannot be loaded alone, and can with the one for this platform', () => {
    stageMain(path.join(modules, 'hfxbus'));
    assert.notStrictEqual(run(LOADED).status, 0);
    stageNative(addon);
    assert.strictEqual(run(LOADED).status, 0, run(LOADED).stderr);
  });

  it('the main one alone names the command that adds the package of this platform', () => {
    stageMain(path.join(modules, 'hfxbus'));
    const { version } = manifest('hfxbus');
    const { stderr } = run(LOADED);
    assert.match(stderr, new RegExp(`^ {2}npm install --no-save @hfxbus/${here.name}@${version}$`, 'm'));
  });

  it('those for platforms have the addon, its licence, and which platform it is for', () => {
    const name = stageNative(addon);
    const { main, os: systems, cpu } = manifest(name);
    assert.deepStrictEqual(addonsIn(name), [main]);
    assert.ok(fs.existsSync(path.join(modules, name, 'LICENSE')));
    assert.deepStrictEqual([systems, cpu], [[here.platform], [here.arch]]);
  });

  it('the self-contained one needs no other, and loads what is beside it first', () => {
    stageSelfContained(path.join(modules, 'hfxbus'), [addon]);
    assert.strictEqual(manifest('hfxbus').optionalDependencies, undefined);
    assert.deepStrictEqual(addonsIn('hfxbus'), [path.basename(addon.file)]);
    const broken = path.join(path.dirname(modules), 'broken');
    fs.writeFileSync(broken, 'no addon');
    stageNative({ ...addon, file: broken });
    assert.strictEqual(run(LOADED).status, 0, run(LOADED).stderr);
  });

  it('a platform without Rust’s library and its sources is left out, with the commands that add them', () => {
    const reason = obstacle({ triple: 'x86_64-unknown-nowhere', platform: 'linux' });
    assert.match(reason, /Rust's library for it is missing \(rustup target add x86_64-unknown-nowhere\)/);
    assert.match(reason, /rustup component add rust-src/);
  });

  it('a platform of another system is left out on a machine that cannot install its linker', () => {
    const { PATH } = process.env;
    process.env.PATH = folders[0];
    try {
      for (const target of targets().filter(({ platform }) => platform !== process.platform)) {
        assert.match(obstacle(target), /python3 with venv is missing/, target.name);
      }
    } finally {
      process.env.PATH = PATH;
    }
  });

  function stageNative(binary) {
    const name = `@hfxbus/${binary.name}`;
    fs.mkdirSync(path.join(modules, name), { recursive: true });
    stagePlatform(path.join(modules, name), binary);
    return name;
  }

  function manifest(name) {
    return JSON.parse(fs.readFileSync(path.join(modules, name, 'package.json'), 'utf8'));
  }

  function addonsIn(name) {
    return fs.readdirSync(path.join(modules, name)).filter((file) => file.endsWith('.node'));
  }

  function run(program) {
    const options = { cwd: path.dirname(modules), encoding: 'utf8', timeout: 20_000 };
    return spawnSync(process.execPath, ['-e', program], options);
  }
});
