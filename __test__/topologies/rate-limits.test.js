'use strict';

/* Rate limits on a Cluster, on several nodes, with users of few rights and with a budget on a server that is away. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { partitionsBy, pendingIn, severalServers } = require('../support/several-servers.js');
const { until } = require('../support/wait-until.js');

const CLAIMS = { claimInterval: 50, claimDeadline: 300, concurrency: 10 };
const numbers = (count) => Array.from({ length: count }, (_, at) => at);

/** Consumers with a limit that note the times of their starts. */
async function play(scene, connections, { times, limit, stream = scene.stream, ...options }) {
  const errors = [];
  for (const connection of connections) {
    const consumer = scene.consumer({ ...CLAIMS, route: options.route }, connection);
    errors.push(scene.errors(consumer));
    const processor = ({ key }) => times.push({ at: Date.now(), key });
    consumer.process({ stream, partitions: options.partitions, limit, processor });
    await consumer.play();
  }
  return errors;
}

async function send(producer, count, options) {
  const began = Date.now();
  await Promise.all(numbers(count).map((at) => producer.send({ ...options(at), job: producer.job() })));
  return began;
}

/** Fails if a start came before its window. */
function check(times, began, { max, interval }) {
  for (const [at, time] of times.map(({ at: time }) => time).entries()) {
    const least = Math.floor(at / max) * interval;
    assert.ok(time - began >= least - 2, `start ${at} after ${time - began} ms, not ${least} ms`);
  }
}

for (const [kind, arrange] of Object.entries(severalServers)) {
  ours(`all partitions on ${kind} share one budget, and keys have budgets on all of its servers`, async (_, scene) => {
    const { servers, connect } = await arrange(scene);
    const producer = scene.producer(connect());
    for (const key of [false, true]) {
      const [limit, times] = [{ max: 4, interval: 300, key }, []];
      const stream = scene.name('stream');
      await play(scene, [connect(), connect()], { times, limit, stream, partitions: 8 });
      const began = await send(producer, 24, (at) => ({ stream, partitions: 8, key: `key-${at % 3}` }));
      await until(() => times.length === 24, { timeout: 15_000 });
      const counts = (await partitionsBy(servers, stream)).map(({ length }) => length);
      assert.ok(Math.min(...counts) > 0, `${counts} partitions`);
      if (!key) check(times, began, limit);
      for (const name of ['key-0', 'key-1', 'key-2']) {
        const one = times.filter((start) => start.key === name);
        if (key) check(one, began, limit);
        assert.strictEqual(one.length, 8);
      }
    }
  });

  ours(`the jobs of a killed consumer on ${kind} start again within the budget, and none is lost`, async (_, scene) => {
    const { servers, connect, bus } = await arrange(scene);
    const [limit, partitions, count] = [{ max: 4, interval: 300 }, 6, 24];
    const { stream, group } = scene;
    const child = scene.child(
      async ({ hfxbus, data, connect, print }) => {
        const consumer = new hfxbus.Consumer(connect(data), {
          group: data.group,
          concurrency: 20,
          claimInterval: 1000,
        });
        const processor = (job) => {
          print('starts', job.id);
          return new Promise(() => {});
        };
        await consumer.process({ ...data.process, processor }).play();
        print('plays');
      },
      { data: { ...bus, group, process: { stream, partitions, limit } } },
    );
    await child.says('plays');
    const producer = scene.producer(connect());
    await send(producer, count, (at) => ({ stream, partitions, key: `key-${at}` }));
    const started = () => child.printed.filter(([word]) => word === 'starts').map(([, id]) => id);
    await until(() => started().length >= 8);
    child.kill();
    await child.exit();
    const [times, ids, left] = [[], new Set(), Date.now()];
    const consumer = scene.consumer(CLAIMS, connect());
    const processor = ({ id, key }) => {
      ids.add(id);
      times.push({ at: Date.now(), key });
    };
    consumer.process({ stream, partitions, limit, processor });
    await consumer.play();
    await until(() => times.length === count, { timeout: 15_000 });
    // The window of the kill can have permits left, so the next one begins up to an interval after it.
    check(times.slice(limit.max), left, limit);
    assert.strictEqual(ids.size, count);
    await until(async () => (await pendingIn(scene, servers)) === 0);
  });
}

ours('consumers that read from all nodes share one budget', async (_, scene) => {
  const servers = await scene.nodes();
  const [limit, times] = [{ max: 3, interval: 250 }, []];
  const connections = [1, 2].map(() => scene.partition(servers));
  const route = scene.hfxbus.DISTRIBUTED_ROUTING;
  await play(scene, connections, { times, limit, route });
  const began = await send(scene.producer(scene.partition(servers)), 12, () => ({ stream: scene.stream, route }));
  await until(() => times.length === 12);
  check(times, began, limit);
});

ours('without the right to a command of the limit no job starts, and the error is reported once', async (_, scene) => {
  for (const right of ['set', 'incrby', 'pttl']) {
    const [username, stream, times] = [scene.name('user'), scene.name('stream'), []];
    await scene.redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', '&*', '+@all', `-${right}`);
    const connection = scene.connect({ username, password: 'secret' });
    const [errors] = await play(scene, [connection], { times, stream, limit: { max: 2, interval: 100 } });
    await send(scene.producer(), 2, () => ({ stream }));
    await until(() => errors.length > 0);
    const refused = async () => (await scene.redis.call('ACL', 'LOG', 100)).filter((row) => row.includes(username));
    await until(async () => (await refused()).flatMap((row) => row[1])[0] >= 2, { what: 'another request' });
    const found = errors.map(({ code, command, message }) => [code, command, message.split(' ')[0]]);
    assert.deepStrictEqual([found, times.length], [[['CONSUME_ERROR', right.toUpperCase(), 'NOPERM']], 0]);
    await scene.redis.call('ACL', 'SETUSER', username, `+${right}`);
    await until(() => times.length === 2);
  }
});

ours('jobs of other streams run while the server of the budget is away', async (_, scene) => {
  const servers = await scene.ownNodes();
  const at = (node, kind) => scene.nameOn(node, kind);
  const [stream, other, group] = [at(1, 'limited'), at(0, 'other'), at(0, 'group')];
  const [runs, free] = [[], []];
  const consumer = scene.consumer({ ...CLAIMS, group, concurrency: 2 }, scene.partition(servers));
  const errors = scene.errors(consumer);
  consumer.process({ stream, limit: { max: 100, interval: 1000 }, processor: ({ id }) => runs.push(id) });
  consumer.process({ stream: other, processor: ({ id }) => free.push(id) });
  await consumer.play();
  servers[1].freeze();
  const producer = scene.producer(scene.partition(servers));
  const route = group;
  await producer.send({ stream, route, job: producer.job() });
  await until(() => errors.length > 0);
  await send(producer, 20, () => ({ stream: other, route }));
  await until(() => free.length === 20);
  assert.deepStrictEqual(errors.map(({ code, command }) => [code, command])[0], ['CONSUME_ERROR', 'INCRBY']);
  servers[1].thaw();
  await until(() => runs.length === 1);
});
