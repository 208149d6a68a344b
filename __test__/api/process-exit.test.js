'use strict';

/* process.exit() ends the process, or the thread, at once and with its code, wherever the bus has called the program. */

const assert = require('node:assert');
const path = require('node:path');
const { oursWithin } = require('../support/cases.js');
const { CASES, OF_PROCESS } = require('./exit-cases/cases.js');
const { CODE } = require('./exit-cases/program.js');

const PROGRAM = path.join(__dirname, 'exit-cases', 'program.js');
const TESTING = path.resolve(__dirname, '..', '..', 'testing.js');
/** Number of programs that run at once. */
const AT_ONCE = 4;
/** Maximum time of an end on a busy machine, in ms; it usually takes 10. */
const PATIENCE = 1000;
const LIMIT = 90_000;

/** Runs programs, some at a time. */
async function each(names, run) {
  const left = [...names];
  const next = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await run(name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

async function endsAtOnce(scene, name, { inThread, variables }) {
  const options = { ...scene.redis.options, keyPrefix: scene.name('prefix') };
  const data = { name, file: scene.subject.file, testing: TESTING, options, program: PROGRAM, inThread };
  const program = ({ data: given }) => require(given.program).run(given);
  let exitAt = 0;
  const hear = ([word]) => {
    if (word === 'exit') exitAt = Date.now();
    return false;
  };
  const child = scene.child(program, { data, variables, hear, limit: 20_000 });
  const { code, signal, at } = await child.exit();
  assert.deepStrictEqual([code, signal, child.stderr, child.stdout], [CODE, null, '', ''], name);
  assert.deepStrictEqual(child.printed, inThread ? [['exit'], ['thread', CODE]] : [['exit']], name);
  assert.ok(at - exitAt < PATIENCE, `${name}: ${at - exitAt} ms`);
}

const WAYS = [
  { title: 'the process', names: [...Object.keys(CASES), ...Object.keys(OF_PROCESS)] },
  {
    title: 'the process, with a thread for the engine',
    names: [...Object.keys(CASES), ...Object.keys(OF_PROCESS)],
    variables: { HFXBUS_ENGINE: 'thread' },
  },
  { title: 'a worker thread', names: Object.keys(CASES), inThread: true },
];

for (const { title, names, ...way } of WAYS) {
  oursWithin(LIMIT)(`process.exit() in any callback ends ${title} at once, with its code`, async (_, scene) => {
    await each(names, (name) => endsAtOnce(scene, name, way));
  });
}
