'use strict';

const assert = require('node:assert');
const { fork } = require('node:child_process');
const cluster = require('node:cluster');
const { once } = require('node:events');
const path = require('node:path');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

const PROGRAM = path.join(__dirname, 'programs', 'forked.js');
const JOBS = 100;

/** Messages of a child, by subject. */
class Conversation {
  #said = [];

  constructor(child, scene) {
    this.child = child;
    this.exited = once(child, 'exit');
    child.on('message', (message) => this.#said.push(message));
    scene.closing(() => (child.process ?? child).kill('SIGKILL'));
  }

  async hears(verb) {
    const [, value] = await until(() => this.#said.find(([said]) => said === verb), { what: `'${verb}' of a child` });
    return value;
  }

  async ask(verb, value) {
    this.child.send([verb, value]);
    return this.hears(verb);
  }
}

function environment(scene) {
  const { file } = scene.subject;
  const given = { file, options: scene.redis.options, stream: scene.stream, group: scene.group };
  return { NODE_TEST_CONTEXT: undefined, HFXBUS_FORKED: JSON.stringify(given) };
}

/** Sends jobs from this process, and waits until the children have run them. */
async function doubles(scene) {
  const producer = scene.producer();
  const send = async (_, number) => {
    const job = producer.job();
    await job.set('number', number).push();
    await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
    await job.finished(20_000);
    return (await job.get('double', false).pull()).double;
  };
  return Promise.all(Array.from({ length: JOBS }, send));
}

const DOUBLES = Array.from({ length: JOBS }, (_, number) => 2 * number);

ours('a process and its forked processes use the bus beside their channel, and exit', async (_, scene) => {
  const start = (serialization) =>
    new Conversation(fork(PROGRAM, { serialization, env: { ...process.env, ...environment(scene) } }), scene);
  // This process has used the bus before it forks.
  await scene.producer().job().set('key', 1).push();
  const children = ['json', 'advanced', 'json'].map(start);
  await Promise.all(children.map((child) => child.hears('plays')));
  assert.deepStrictEqual(await doubles(scene), DOUBLES);
  const answers = await Promise.all(children.map((child, number) => child.ask('ask', number)));
  assert.deepStrictEqual(answers, [0, 2, 4]);
  const ran = await Promise.all(children.map((child) => child.ask('end')));
  const all = ran.reduce((sum, count) => sum + count);
  assert.ok(all >= JOBS + children.length, `${ran}`);
  for (const { exited } of children) assert.deepStrictEqual(await exited, [0, null]);
});

ours('the workers of a cluster share the jobs, and the others run the jobs of a killed worker', async (_, scene) => {
  cluster.setupPrimary({ exec: PROGRAM, execArgv: [] });
  const workers = Array.from({ length: 3 }, () => new Conversation(cluster.fork(environment(scene)), scene));
  await Promise.all(workers.map((worker) => worker.hears('plays')));
  const doubled = doubles(scene);
  await until(async () => (await scene.length()) > 0);
  const [killed, ...others] = workers;
  killed.child.process.kill('SIGKILL');
  assert.deepStrictEqual(await killed.exited, [null, 'SIGKILL']);
  assert.deepStrictEqual(await doubled, DOUBLES);
  await Promise.all(others.map((worker) => worker.ask('end')));
  for (const { exited } of others) assert.deepStrictEqual(await exited, [0, null]);
  await until(async () => (await scene.pending()) === 0);
});
