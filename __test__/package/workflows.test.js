'use strict';

/* That the workflows, which cannot run here, call what can. */

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { read, ROOT } = require('./documents.js');

const FOLDER = '.github/workflows';
const { scripts, napi } = JSON.parse(read('package.json'));
const workflows = fs.readdirSync(path.join(ROOT, FOLDER)).map((name) => ({ name, text: read(`${FOLDER}/${name}`) }));

/** What a workflow runs, with each script that its matrix names in place of that. */
function commandsOf(text) {
  const [, listed = ''] = /^ +script: \[(.*)\]$/m.exec(text) ?? [];
  const named = listed.replaceAll("'", '').split(', ');
  const lines = [...text.matchAll(/^ +- run: (.*)$/gm)].map(([, line]) => line);
  return lines.flatMap((line) => named.map((script) => line.replace(/\$\{\{ matrix\.script \}\}/, script)));
}

test('there are workflows, and each step is a command of npm, or installs the system’s Redis', () => {
  assert.deepStrictEqual(workflows.map(({ name }) => name).sort(), ['ci.yml', 'release.yml']);
  for (const { name, text } of workflows) {
    const runs = [...text.matchAll(/\brun:/g)];
    const commands = [...text.matchAll(/^ +- run: (npm (?:ci$|test$|run |publish )|sudo apt-get )/gm)];
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

test('what is released is built and tested for every target', () => {
  const { text } = workflows.find(({ name }) => name === 'release.yml');
  const [, build, tests] = text.split(/^ {2}(?:build|test):$/m);
  for (const part of [build, tests]) {
    const targets = new Set([...part.matchAll(/target: ([\w-]+),/g)].map(([, target]) => target));
    assert.deepStrictEqual([...targets].sort(), [...napi.targets].sort());
  }
});
