'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { asked, hfxbus } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { ConnectionManager, Consumer, DISTRIBUTED_ROUTING, Producer, UnrecoverableError } = require('../../index.js');

/** Servers where a consumer has given up jobs: each is a letter in the stream `letters`. */
async function withLetters(t, jobs, { nodes = 1, value, ...options } = {}) {
  const servers = await Promise.all(Array.from({ length: nodes }, () => RedisServer.start()));
  t.after(() => servers.map((server) => server.kill()));
  const lengths = async (stream) => Promise.all(servers.map((server) => server.call('XLEN', keys.stream(stream))));
  const connection =
    nodes === 1
      ? ConnectionManager.standalone(servers[0].options)
      : ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) });
  // Of no effect on a single server.
  const route = DISTRIBUTED_ROUTING;
  const consumer = new Consumer(connection, { group: 'bank', claimInterval: 50, deadLetter: 'letters', route });
  consumer.process({
    stream: 'transfers',
    processor: async () => {
      throw new UnrecoverableError('no such account');
    },
  });
  await consumer.play();
  const producer = new Producer(connection);
  for (const id of jobs) {
    const job = producer.job(id);
    if (value !== undefined) job.set('inbound', value);
    await producer.send({ stream: 'transfers', job, route, ...options });
  }
  const isGivenUp = async () => (await lengths('letters')).reduce((sum, length) => sum + length) === jobs.length;
  await until(isGivenUp, { timeout: 20000 });
  await connection.stop();
  return { servers, lengths, urls: servers.flatMap(({ port }) => ['--url', `redis://127.0.0.1:${port}`]) };
}

describe('npx hfxbus dead-letters', () => {
  it('lists letters, replays one and drops one; dead is an alias', async (t) => {
    const { lengths, urls } = await withLetters(t, ['one', 'two', 'three']);
    const { code, said } = await asked(['dead-letters', 'list', 'letters', ...urls]);
    assert.strictEqual(code, 0);
    const byJob = Object.fromEntries(said.letters.map((letter) => [letter.jobId, letter]));
    assert.deepStrictEqual(Object.keys(byJob).sort(), ['one', 'three', 'two']);
    const { ref, stream, group, deliveries, reason, error } = byJob.one;
    assert.deepStrictEqual([stream, group, deliveries, reason], ['transfers', 'bank', 1, 'unrecoverable']);
    assert.strictEqual(error.message, 'no such account');

    const replayed = await asked(['dead-letters', 'replay', 'letters', ref, '--yes', ...urls]);
    assert.strictEqual(replayed.code, 0);
    assert.match(replayed.said.done[0].entryId, /^\d+-\d+$/);
    assert.deepStrictEqual([await lengths('letters'), await lengths('transfers')], [[2], [4]]);

    const dropped = await asked(['dead-letters', 'drop', 'letters', byJob.two.ref, '--yes', ...urls]);
    const done = [{ id: byJob.two.ref, jobId: 'two', dropped: true }];
    assert.deepStrictEqual(dropped, { code: 0, said: { done, missing: [] } });
    assert.deepStrictEqual([await lengths('letters'), await lengths('transfers')], [[1], [4]]);
    const { stdout } = await hfxbus(['dead', 'list', 'letters', ...urls]);
    assert.match(stdout, /^\d+-\d+ +three +transfers +bank +1 +unrecoverable +no such account$/m);
  });

  it('takes nothing away without --yes', async (t) => {
    const { lengths, urls } = await withLetters(t, ['one']);
    for (const action of ['replay', 'drop']) {
      const { code, stderr } = await hfxbus(['dead-letters', action, 'letters', '--all', ...urls]);
      assert.strictEqual(code, 2);
      assert.match(stderr, /confirm it with --yes/);
    }
    assert.deepStrictEqual([await lengths('letters'), await lengths('transfers')], [[1], [1]]);
  });

  it('replays all that there are, and each once', async (t) => {
    const { lengths, urls } = await withLetters(t, ['one', 'two', 'three']);
    const { code, said } = await asked(['dead-letters', 'replay', 'letters', '--all', '--yes', ...urls]);
    assert.deepStrictEqual([code, said.done.length, said.missing], [0, 3, []]);
    assert.deepStrictEqual([await lengths('letters'), await lengths('transfers')], [[0], [6]]);
    const { stdout } = await hfxbus(['dead-letters', 'list', 'letters', ...urls]);
    assert.strictEqual(stdout, 'There are no dead letters.\n');
  });

  it('replays a letter with the values that it carries, and never lists them', async (t) => {
    const value = Buffer.from([0xff, 0x00, 0x0d, 0x0a]);
    const { servers, urls } = await withLetters(t, ['one'], { payload: 'entry', value });
    const { stdout } = await hfxbus(['dead-letters', 'list', 'letters', '--json', ...urls]);
    assert.deepStrictEqual([stdout.includes('val:'), stdout.includes('own')], [false, false]);
    const { code } = await asked(['dead-letters', 'replay', 'letters', '--all', '--yes', ...urls]);
    assert.strictEqual(code, 0);
    const connection = ConnectionManager.standalone(servers[0].options);
    t.after(() => connection.stop({ force: true }));
    const client = connection.getClient('reader');
    const [[, fields]] = await client.callBuffer('xrevrange', keys.stream('transfers'), '+', '-', 'COUNT', 1);
    assert.deepStrictEqual(
      fields.slice(4),
      ['val:inbound', value, 'own', '1'].map((one) => Buffer.from(one)),
    );
  });

  it('ends with 1 for a letter that is not there, and does the others', async (t) => {
    const { lengths, urls } = await withLetters(t, ['one']);
    const [{ ref }] = (await asked(['dead-letters', 'list', 'letters', ...urls])).said.letters;
    const { code, said } = await asked(['dead-letters', 'drop', 'letters', '1-1', ref, '--yes', ...urls]);
    assert.strictEqual(code, 1);
    assert.deepStrictEqual([said.missing, said.done.map(({ id }) => id)], [['1-1'], [ref]]);
    assert.deepStrictEqual(await lengths('letters'), [0]);
  });

  it('calls a letter by its node as well where there are several', async (t) => {
    const { lengths, urls } = await withLetters(t, ['a', 'b', 'c', 'd', 'e', 'f'], { nodes: 2 });
    const before = await lengths('letters');
    assert.ok(
      before.every((length) => length > 0),
      `on both nodes: ${before}`,
    );
    const { letters } = (await asked(['dead-letters', 'list', 'letters', ...urls])).said;
    const onSecond = letters.find(({ node }) => node === 1);
    assert.strictEqual(onSecond.ref, `1:${onSecond.id}`);
    const { code } = await asked(['dead-letters', 'drop', 'letters', onSecond.ref, '--yes', ...urls]);
    assert.strictEqual(code, 0);
    assert.deepStrictEqual(await lengths('letters'), [before[0], before[1] - 1]);
  });
});
