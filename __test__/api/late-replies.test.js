'use strict';

/* Entries that can have another owner once their consumer knows them, since its network stood still. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/wait-until.js');

/** Time for which a reply is held back. Waiting entries without a renewal are trusted for a second at least. */
const HELD = 1_500;

ours('an entry whose read is answered after claimDeadline does not start beside its new owner', async (_, scene) => {
  const redis = await scene.server();
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  const [late, prompt] = [[], []];
  const [claimDeadline, gate] = [200, new Gate()];
  const slow = await scene.play(async ({ id }) => late.push(id), {
    connection: scene.connect(proxy.options),
    claimDeadline,
    blockTimeout: 500,
  });
  // Its connections are open, and it reads again.
  await scene.add('first', { redis });
  await until(() => late.length === 1);
  await until(async () => (await scene.pending({ redis })) === 0);
  await until(async () => (await redis.call('CLIENT', 'LIST')).includes('cmd=xreadgroup'));
  const release = proxy.holdReplies();
  await scene.add('held', { redis });
  const began = Date.now();
  const owners = async () =>
    (await redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group), '-', '+', 10)).length;
  await until(async () => (await owners()) === 1);
  const sent = proxy.record();
  const processor = async ({ id }) => {
    prompt.push(id);
    await gate.opened;
  };
  await scene.play(processor, { connection: scene.connect(redis.options), claimDeadline, claimInterval: 20 });
  await until(() => prompt.length > 0);
  await until(() => Date.now() - began > HELD);
  release();
  await until(() => sent.join('').includes('XPENDING') || late.length > 1);
  await stays(() => late.length === 1, 300);
  gate.open();
  await until(async () => (await owners()) === 0);
  await slow.pause();
  assert.deepStrictEqual([late, prompt], [['first'], ['held']]);
});

ours('without the right to XCLAIM, entries that have waited for claimDeadline start all the same', async (_, scene) => {
  const redis = await scene.server();
  await redis.call('ACL', 'SETUSER', 'ann', 'on', '>secret', '~*', '&*', '+@all', '-xclaim');
  const connection = scene.connect({ ...redis.options, username: 'ann', password: 'secret' });
  const names = ['first', 'second', 'third'];
  for (const name of names) await scene.add(name, { redis });
  const [ids, gate] = [[], new Gate()];
  const processor = async ({ id }) => {
    ids.push(id);
    await gate.opened;
  };
  await scene.play(processor, { connection, readAhead: 5, fromId: '0', claimDeadline: 100 });
  await until(() => ids.length === 1);
  const began = Date.now();
  await until(() => Date.now() - began > HELD);
  gate.open();
  await until(async () => (await scene.pending({ redis })) === 0);
  assert.deepStrictEqual(ids, names);
});
