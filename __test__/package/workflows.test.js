'use strict';

/* That the workflows, which cannot run here, call what can. */

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { targets } = require('../../scripts/package/targets.js');
const { GUESTS } = require('../../scripts/platforms/guests.js');
const { read, ROOT } = require('./documents.js');

const FOLDER = '.github/workflows';
const { scripts, napi, repository } = JSON.parse(read('package.json'));
const workflows = fs.readdirSync(path.join(ROOT, FOLDER)).map((name) => ({ name, text: read(`${FOLDER}/${name}`) }));

/** Returns the commands of a workflow, with each script of its matrix filled in. */
function commandsOf(text) {
  const [, listed = ''] = /^ +script: \[(.*)\]$/m.exec(text) ?? [];
  const named = listed.replaceAll("'", '').split(', ');
  const lines = [...text.matchAll(/^ +- run: (.*)$/gm)].map(([, line]) => line);
  return lines.flatMap((line) => named.map((script) => line.replace(/\$\{\{ matrix\.script \}\}/, script)));
}

test('there are workflows, and each step is a command of npm, or installs packages of the system', () => {
  assert.deepStrictEqual(workflows.map(({ name }) => name).sort(), ['ci.yml', 'release.yml']);
  for (const { name, text } of workflows) {
    const runs = [...text.matchAll(/\brun:/g)];
    const commands = [...text.matchAll(/^ +- run: (npm (?:ci$|test$|run |publish )|(?:sudo )?apt-get )/gm)];
    assert.strictEqual(commands.length, runs.length, name);
  }
});

test('every script that a workflow runs is in package.json', () => {
  for (const { name, text } of workflows) {
    const called = commandsOf(text).flatMap((line) => [...line.matchAll(/\bnpm (?:run (\S+)|(test)\b)/g)]);
    assert.ok(called.length >= 2, name);
    for (const [, script, shorthand] of called) assert.ok((script ?? shorthand) in scripts, `${name}: ${script}`);
  }
});

test('every released target is built on Linux, and tested on its system or in an emulator there', () => {
  const { text } = workflows.find(({ name }) => name === 'release.yml');
  const [, packed, tests] = text.split(/^ {2}(?:package|test):$/m);
  const built = [...packed.matchAll(/ targets: ([\w-].*)$/gm)].flatMap(([, list]) => list.split(', '));
  assert.deepStrictEqual(
    built.sort(),
    targets('linux')
      .map(({ triple }) => triple)
      .sort(),
  );
  const tested = new Set([...tests.matchAll(/target: ([\w-]+),/g)].map(([, target]) => target));
  for (const target of tested) assert.ok(napi.targets.includes(target), target);
  assert.match(packed, /^ +- run: npm run test:platforms/m);
  const left = targets().filter(({ listed, name }) => !tested.has(listed) && !(name in GUESTS));
  assert.deepStrictEqual(left, []);
});

test('a release publishes only complete packages whose origin npm can prove', () => {
  const nothing = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-dist-'));
  const variables = { HFXBUS_DIST: nothing, GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: 'v0.0.1' };
  const { status, stdout, stderr } = release(variables);
  fs.rmdirSync(nothing);
  assert.strictEqual(status, 1);
  assert.match(stderr, /nothing was published/);
  for (const name of ['win32-x64', 'darwin-arm64', 'linux-x64-gnu']) {
    assert.match(stdout, new RegExp(`^hfxbus: .*hfxbus-${name}-[\\w.-]+\\.tgz is missing$`, 'm'));
  }
  assert.strictEqual(/^hfxbus: package\.json names no repository/m.test(stdout), !repository);
  assert.match(stdout, /^hfxbus: the tag is v0\.0\.1, and the version is /m);
});

/** Returns the result of a release. */
function release(variables) {
  const script = path.join(ROOT, 'scripts', 'release.js');
  const env = { ...process.env, ...variables };
  return spawnSync(process.execPath, [script, '--dry-run'], { env, encoding: 'utf8', timeout: 60_000 });
}
