'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { inspect } = require('node:util');
const { oursWithin } = require('../support/cases.js');
const { SentinelGroup, FOLLOWED_WITHIN } = require('../support/sentinel-group.js');
const { until } = require('../support/wait-until.js');

/** Maximum time until jobs run again after the decision of the sentinels, in ms. */
const RESUMED_WITHIN = 3000;

const ours = oursWithin(FOLLOWED_WITHIN + 30_000);

let group;

test.before(async () => {
  group = await SentinelGroup.start();
});
test.after(() => group?.kill());

/** A consumer and a producer that send, do and hear of a job; and whether errors reach the user. */
async function traffic(scene) {
  const connection = scene.adopt(
    scene.hfxbus.ConnectionManager.standalone({ ...group.options, maxRetriesPerRequest: null }),
  );
  const done = [];
  const consumer = await scene.play(async (job) => done.push(await job.get('n', false).pull()), { connection });
  const producer = scene.producer(connection);
  const [heard, complaints] = [consumer, producer].map((emitter) => scene.errors(emitter));
  const round = async (n) => {
    const job = producer.job();
    await job.set('n', n).push();
    const sent = await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
    return sent.finished();
  };
  await round(0);
  /** Checks that the consumer reports a lost connection once, and no other error. */
  const isQuiet = () => {
    assert.deepStrictEqual(complaints, []);
    assert.ok(heard.length <= 1 && heard.every(({ message }) => message === 'Connection is closed.'), inspect(heard));
  };
  return { connection, done, isQuiet, round };
}

/** @returns how many ms something took */
async function took(action) {
  const start = Date.now();
  await action();
  return Date.now() - start;
}

async function roleOf(connection) {
  const [role] = await connection.getClient('role').call('ROLE');
  return role;
}

ours('a killed primary is replaced by its replica, and jobs continue', async (t, scene) => {
  const { connection, done, isQuiet, round } = await traffic(scene);
  const primary = await group.primary();
  await group.hasEverything();
  const ready = [];
  connection.on('ready', ({ node }) => ready.push(node));
  primary.kill();
  t.after(() => primary.isRunning || primary.start());
  const decided = until(async () => (await group.primary()) !== primary, { timeout: 15000, what: 'a new primary' });
  const waiting = round(1);
  await decided;
  t.diagnostic(`resumed ${await took(() => waiting)} ms after the sentinels had decided`);
  assert.deepStrictEqual(await done.map(({ n }) => n), [0, 1]);
  isQuiet();
  assert.strictEqual(await roleOf(connection), 'master');
  await primary.start();
  await group.isWell();
  assert.strictEqual(ready.at(-1), `127.0.0.1:${(await group.primary()).port}`);
});

ours('a manual failover is followed, and the demoted primary is not used any more', async (t, scene) => {
  const { connection, done, isQuiet, round } = await traffic(scene);
  await group.hasEverything();
  const old = await group.failover();
  const resumed = await took(() => round(1));
  t.diagnostic(`resumed ${resumed} ms after the failover`);
  assert.ok(resumed < RESUMED_WITHIN, `${resumed} ms`);
  await group.isWell();
  await round(2);
  assert.deepStrictEqual(
    done.map(({ n }) => n),
    [0, 1, 2],
  );
  isQuiet();
  assert.strictEqual(await roleOf(connection), 'master');
  assert.strictEqual((await old.call('ROLE'))[0], 'slave');
});

ours('a silent primary is replaced once the sentinels announce another', async (t, scene) => {
  const { done, isQuiet, round } = await traffic(scene);
  const frozen = await group.primary();
  await group.hasEverything();
  frozen.freeze();
  t.after(() => frozen.thaw());
  await until(async () => (await group.primary()) !== frozen, { timeout: 15000, what: 'a new primary' });
  const resumed = await took(() => round(1));
  t.diagnostic(`resumed ${resumed} ms after the announcement`);
  assert.ok(resumed < RESUMED_WITHIN, `${resumed} ms`);
  assert.deepStrictEqual(
    done.map(({ n }) => n),
    [0, 1],
  );
  isQuiet();
});
