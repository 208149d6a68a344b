'use strict';

const assert = require('node:assert');
const { keep, ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

/** The consumer of the README of 2.2.0. */
async function concat(job) {
  const { inbound } = await job.get('inbound', false).del('inbound').pull();
  await job.set('outbound', `${inbound} world!`).push();
}

/** The producer of the README of 2.2.0. */
async function ask(scene, producer) {
  const job = producer.job();
  await job.set('inbound', 'Hello').push();
  await producer.send({ stream: scene.stream, waitFor: [scene.group], job });
  await job.finished();
  const { outbound } = await job.get('outbound', false).del('outbound').pull();
  return outbound;
}

/** The consumer of the program with two trips. */
async function concatAtOnce(job) {
  const { inbound } = await job.get('inbound', false).pull();
  job.set('outbound', `${inbound} world!`);
}

/** The producer of the program with two trips. */
async function askAtOnce(scene, producer) {
  const job = producer.job().set('inbound', 'Hello');
  const waitFor = [scene.group];
  await producer.send({ stream: scene.stream, job, waitFor, returns: ['outbound'], payload: 'entry' });
  await job.finished();
  const { outbound } = await job.get('outbound', false).pull();
  return outbound;
}

/** Runs a program twice. @returns the names of the commands of the second round trip, with their counts */
async function count(scene, processor, request) {
  const monitor = await scene.monitor();
  await scene.play(processor, { blockTimeout: 60000 });
  const producer = scene.producer();
  await producer.listen();
  const ready = async (reads) => until(async () => (await monitor.named('XREADGROUP')).length === reads);
  assert.strictEqual(await request(scene, producer), 'Hello world!');
  await ready(2);
  await monitor.clear();
  assert.strictEqual(await request(scene, producer), 'Hello world!');
  await ready(1);
  const counts = {};
  for (const [name] of await monitor.commands()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

keep('the program of the README of 2.2.0 takes the same commands, apart from one transaction', async (_, scene) => {
  const expected = { SET: 2, XADD: 1, GET: 2, DEL: 2, XACK: 1, PUBLISH: 1, XREADGROUP: 1 };
  // The entry carries the inbound value, and its removal leaves with the settlement.
  const own = { ...expected, GET: 1, MULTI: 1, EXEC: 1 };
  assert.deepStrictEqual(await count(scene, concat, ask), scene.isOriginal ? expected : own);
});

ours('a value that is set and not pushed leaves in one transaction with the entry', async (_, scene) => {
  const request = async (_, producer) => {
    const job = producer.job().set('inbound', 'Hello');
    await producer.send({ stream: scene.stream, waitFor: [scene.group], job });
    await job.finished();
    const { outbound } = await job.get('outbound', false).del('outbound').pull();
    return outbound;
  };
  const processor = async (job) => {
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    job.set('outbound', `${inbound} world!`);
  };
  const expected = { MULTI: 2, SET: 2, XADD: 1, EXEC: 2, DEL: 2, XACK: 1, PUBLISH: 1, XREADGROUP: 1, GET: 1 };
  assert.deepStrictEqual(await count(scene, processor, request), expected);
});

ours('the program with two trips takes four commands', async (_, scene) => {
  const expected = { XADD: 1, XACK: 1, PUBLISH: 1, XREADGROUP: 1 };
  assert.deepStrictEqual(await count(scene, concatAtOnce, askAtOnce), expected);
});
