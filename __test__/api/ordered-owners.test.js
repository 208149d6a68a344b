'use strict';

/* Owners of ordered partitions that stop, freeze and wake. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { OrderRecord, leaseKeys, playOrdered, sendOrdered } = require('../support/ordered.js');
const { stays, until } = require('../support/wait-until.js');

const LEASE = 400;
const NAMES = Array.from({ length: 20 }, (_, at) => `k${at}`);

/** Points of a takeover at which the consumer that takes over is stopped. */
const POINTS = {
  'at its beginning': () => true,
  'once it is announced': async ({ scene, members }) =>
    (await scene.redis.call('ZCARD', `hfxbus:mem:${scene.stream}:${scene.group}`)) === members,
  'once a partition is free': async ({ scene, owned }) => owned.size > 0 || (await leaseKeys(scene)).length < 8,
  'once it owns a partition': ({ owned }) => owned.size > 0,
};

for (const [point, isReached] of Object.entries(POINTS)) {
  ours(`a consumer that stops beside a takeover, ${point}, keeps no partition`, async (_, scene) => {
    const order = new OrderRecord();
    const processor = async (job) => {
      order.begin(job);
      await scene.redis.call('PING');
      order.end(job);
    };
    const options = { partitions: 8, lease: LEASE };
    const keeper = await playOrdered(scene, processor, options);
    await until(() => keeper.owned.size === 8);
    const sending = sendOrdered(scene, 1000, NAMES, { partitions: 8 });
    for (let round = 0; round < 3; round++) {
      const stopped = await playOrdered(scene, processor, options);
      await until(() => isReached({ scene, members: 2, owned: stopped.owned }));
      await stopped.consumer.connection.stop();
      await until(() => stopped.owned.size === 0, { timeout: 200 });
      let later = 0;
      stopped.consumer.on('assigned', () => later++);
      const id = stopped.consumer.id;
      const isGone = async () => {
        const found = await leaseKeys(scene);
        // A set that was prepared in vain ends with its lease.
        const [own, prepared] = [found.filter((key) => !key.endsWith(id)), found.filter((key) => key.endsWith(id))];
        const owners = await Promise.all(own.map((key) => scene.redis.call('SMEMBERS', key)));
        const members = await scene.redis.call('ZRANGE', `hfxbus:mem:${scene.stream}:${scene.group}`, 0, -1);
        const ends = await Promise.all(prepared.map((key) => scene.redis.call('PTTL', key)));
        return ![...owners.flat(), ...members].includes(id) && ends.every((time) => time !== -1 && time <= LEASE);
      };
      await stays(async () => (await isGone()) && later === 0, LEASE / 2);
      assert.deepStrictEqual(stopped.errors, []);
    }
    await sending;
    await until(() => keeper.owned.size === 8 && order.jobs === 1000);
    order.check();
    assert.deepStrictEqual(keeper.errors, []);
  });
}

ours('an owner that was frozen for longer than its lease starts nothing, and cannot settle', async (_, scene) => {
  const lines = [];
  const gate = scene.name('gate');
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: data.group, ...data.options });
      const { RawClient } = require(data.client);
      const client = new RawClient(options.port);
      consumer.on('assigned', ({ fence }) => print('assigned', fence));
      consumer.on('error', (error) => print('error', error.cause?.code ?? error.code));
      const processor = async (job) => {
        print('run', job.id, job.fence);
        await client.call('BLPOP', data.gate, 0);
        await job.resolve().then(
          () => print('settled', job.id),
          (error) => print('refused', error.code),
        );
      };
      await consumer.process({ stream: data.stream, partitions: 1, ordered: { lease: data.lease }, processor }).play();
    },
    {
      data: {
        client: require.resolve('../support/raw-client.js'),
        group: scene.group,
        stream: scene.stream,
        gate,
        lease: LEASE,
        options: { claimInterval: 50, claimDeadline: 300, concurrency: 1, readAhead: 64 },
      },
      hear: (line) => lines.push(line) > 0,
      limit: 30000,
    },
  );
  const said = (word) => lines.filter(([first]) => first === word);
  await until(() => said('assigned').length === 1);
  await sendOrdered(scene, 40, NAMES, { partitions: 1 });
  await until(() => said('run').length === 1);
  // The child holds all entries.
  const stream = `${scene.stream}#0`;
  await until(async () => (await scene.pending({ stream })) === 40);
  child.signal('SIGSTOP');
  const order = new OrderRecord();
  let least = Number.POSITIVE_INFINITY;
  const next = await playOrdered(
    scene,
    (job) => {
      least = Math.min(least, job.fence);
      order.begin(job);
      order.end(job);
    },
    { partitions: 1, lease: LEASE },
  );
  await until(() => order.jobs === 40);
  await until(async () => (await scene.pending({ stream })) === 0);
  order.check();
  assert.ok(least > said('run')[0][2], 'the fencing number grows');
  await scene.redis.call('RPUSH', gate, 'go');
  child.signal('SIGCONT');
  await until(() => said('refused').length === 1 || said('settled').length > 0);
  assert.deepStrictEqual(said('refused'), [['refused', 'OWNERSHIP_LOST']]);
  await stays(() => said('run').length === 1 && said('settled').length === 0, 2 * LEASE);
  assert.deepStrictEqual(next.errors, []);
});

ours('fencing numbers grow although their counter expires', async (_, scene) => {
  const counter = `hfxbus:fen:${scene.stream}#0:${scene.group}`;
  const { consumer, owned } = await playOrdered(scene, () => {}, { partitions: 1, lease: LEASE });
  const numbers = [];
  const move = async (change = async () => {}) => {
    await until(() => owned.size === 1);
    numbers.push(owned.get(0));
    const left = await scene.redis.call('PTTL', counter);
    assert.ok(left > 86_000_000 && left <= 86_400_000, `the counter expires in ${left} ms`);
    await consumer.pause();
    await until(() => owned.size === 0);
    await change();
    await consumer.play();
  };
  await move();
  await move(async () => {
    await scene.redis.call('PEXPIRE', counter, 1);
    await until(async () => (await scene.redis.call('EXISTS', counter)) === 0);
  });
  await move(() => scene.redis.call('PERSIST', counter));
  await move();
  const sorted = [...new Set(numbers)].sort((left, right) => left - right);
  assert.deepStrictEqual(numbers, sorted);
  assert.ok(numbers.every(Number.isSafeInteger), `${numbers}`);
  const fence = await until(() => owned.get(0));
  // A try without a lease counts too.
  assert.ok(Number(await scene.redis.call('GET', counter)) >= fence && fence > numbers.at(-1));
});
