'use strict';

/* Payload changes on several servers, which a settlement writes first and removes last. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');

const JOBS = 12;
const INPUTS = ['inbound', 'more', 'most'];

/** Buses, by name. */
const BUSES = {
  'several nodes': async (scene) => {
    const servers = await scene.nodes();
    return { servers, connect: () => scene.partition(servers) };
  },
  'a Cluster': async (scene) => {
    const cluster = await scene.cluster();
    return { servers: cluster.primaries, connect: () => scene.connectCluster(cluster) };
  },
};

/** Returns the value of a payload key on whichever server has it, without redirections. */
async function payloadValue(servers, job, key) {
  const name = keys.payload(job.id, key);
  const read = (server) => server.call('GET', name).catch(() => null);
  return (await Promise.all(servers.map(read))).find((value) => value !== null) ?? null;
}

/** Starts jobs whose processor has removed its inputs, has set outputs, and waits for `ending`. */
async function running(scene, { servers, connect }, { end = async () => {}, send, ...options } = {}) {
  const [begun, ending] = [new Gate(), new Gate()];
  const connection = connect();
  let count = 0;
  const processor = async (job) => {
    for (const key of INPUTS) job.get(key, false).del(key);
    const { inbound } = await job.pull();
    job.set('outbound', `${inbound} world!`);
    if (++count === JOBS) begun.open();
    await ending.opened;
    await end(job);
  };
  const consumer = await scene.play(processor, { connection, route: scene.stream, concurrency: JOBS, ...options });
  const errors = scene.errors(consumer);
  const producer = scene.producer(connect());
  const jobs = Array.from({ length: JOBS }, () => producer.job());
  const sending = jobs.map((job) => {
    for (const key of INPUTS) job.set(key, 'Hello');
    return producer.send({ stream: scene.stream, job, waitFor: [scene.group], ...send });
  });
  await Promise.all(sending);
  await begun.opened;
  const state = async () => {
    const read = (key) => Promise.all(jobs.map((job) => payloadValue(servers, job, key)));
    const [inputs, outputs] = [(await Promise.all(INPUTS.map(read))).flat(), await read('outbound')];
    return [inputs.filter(Boolean).length, outputs.filter(Boolean).length];
  };
  return { connection, consumer, errors, jobs, ending, state };
}

const CHANGED = [0, JOBS];
const UNCHANGED = [JOBS * INPUTS.length, 0];
const WAYS = {
  'carried values': {},
  'values that are not carried, with delOnSettle': { send: { carry: false }, delOnSettle: true },
};

for (const [name, open] of Object.entries(BUSES)) {
  for (const [kind, options] of Object.entries(WAYS)) {
    ours(`on ${name} pause() resolves after the payload changes, with ${kind}`, async (_, scene) => {
      const { consumer, errors, ending, state } = await running(scene, await open(scene), options);
      const pausing = consumer.pause();
      ending.open();
      await pausing;
      assert.deepStrictEqual([await state(), errors], [CHANGED, []]);
    });

    ours(`on ${name} stop() resolves after the payload changes, with ${kind}`, async (_, scene) => {
      const { connection, errors, ending, state } = await running(scene, await open(scene), options);
      const stopping = connection.stop();
      ending.open();
      await stopping;
      assert.deepStrictEqual([await state(), errors], [CHANGED, []]);
    });

    ours(`on ${name} resolve() settles after the payload changes, with ${kind}`, async (_, scene) => {
      let resolved = 0;
      const end = async (job) => {
        await job.resolve();
        resolved++;
      };
      const { errors, ending, state } = await running(scene, await open(scene), { ...options, end });
      ending.open();
      await until(() => resolved === JOBS);
      assert.deepStrictEqual([await state(), errors], [CHANGED, []]);
    });

    ours(`on ${name} a job that fails changes nothing, with ${kind}`, async (_, scene) => {
      const end = () => Promise.reject(new Error('no'));
      const { jobs, consumer, errors, ending, state } = await running(scene, await open(scene), { ...options, end });
      ending.open();
      const outcomes = await Promise.all(jobs.map((job) => job.finished()));
      assert.ok(outcomes.every(({ [scene.group]: outcome }) => outcome.message === 'no'));
      await consumer.pause();
      assert.deepStrictEqual([await state(), errors], [UNCHANGED, []]);
    });
  }
}
