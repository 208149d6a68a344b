'use strict';

const assert = require('node:assert');
const { ERROR, FakeRedis, NIL, OK, bulk, reply } = require('../../support/fake-redis.js');
const { keys } = require('../../support/keys.js');
const { until } = require('../../support/wait-until.js');

/** Delay that is long enough to differ from none, in ms. */
const DELAY = 120;

/** A Cluster of one node that has all slots and answers as the case says, but for what is said to every node. */
async function fake(scene, answer = () => NIL, { announced } = {}) {
  const server = await FakeRedis.start((words, socket) => {
    if (words[0] === 'INFO') return bulk('redis_version:7.0.0\r\nloading:0\r\n');
    if (words[0] !== 'CLUSTER') return answer(words, socket);
    const { host, port } = announced ?? server.options;
    return reply([[0, 16383, [host, port, 'id']]]);
  });
  scene.closing(() => server.close());
  return server;
}

function connect(scene, server, options) {
  return scene.adopt(scene.hfxbus.ConnectionManager.cluster([server.options], options));
}

const named = (server, name) => server.commands.filter(([command]) => command === name);

/** Checks that a command refused at first is repeated after the delay of an option, and not before. */
async function delays(scene, option, refuse) {
  const server = await fake(scene, (words, socket) => {
    if (words[0] !== 'GET') return OK;
    return named(server, 'GET').length === 1 ? refuse(server, socket) : bulk('v');
  });
  const client = connect(scene, server, { [option]: DELAY }).getClient('mine');
  const started = performance.now();
  assert.strictEqual(await client.get('k'), 'v');
  assert.ok(performance.now() - started >= DELAY - 2);
  assert.strictEqual(named(server, 'GET').length, 2);
}

/** Cases of the options of a Cluster, by option. */
const WORKING = {
  redisOptions: async (scene) => {
    const cluster = await scene.cluster();
    const connection = scene.connectCluster(cluster, { redisOptions: { connectionName: scene.stream } });
    const job = scene.producer(connection).job();
    for (let index = 0; index < 40; index++) job.set(`key-${index}`, index);
    await job.push();
    for (const node of cluster.nodes) {
      await until(async () => (await node.call('CLIENT', 'LIST')).includes(` name=${scene.stream} `));
    }
  },
  completions: async (scene) => {
    const cluster = await scene.cluster();
    const connection = scene.connectCluster(cluster, { completions: 'sharded' });
    await scene.play(async () => {}, { connection });
    const producer = scene.producer(connection);
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
    await job.finished(8000);
    const home = await cluster.home(keys.stream(scene.stream));
    assert.strictEqual((await home.call('PUBSUB', 'SHARDCHANNELS')).length, 1);
  },
  keyPrefix: async (scene) => {
    const cluster = await scene.cluster();
    const connection = scene.connectCluster(cluster, { keyPrefix: 'mine' });
    const producer = scene.producer(connection);
    await producer.send({ stream: scene.stream, job: producer.job() });
    assert.strictEqual(await cluster.call('XLEN', `mine:str:${scene.stream}`), 1);
  },
  clusterRetryStrategy: async (scene) => {
    const server = await fake(scene);
    const { options } = server;
    server.close();
    const times = [];
    const clusterRetryStrategy = (attempt) => {
      times.push(attempt);
      return attempt < 3 ? 10 : null;
    };
    const client = connect(scene, { options }, { clusterRetryStrategy }).getClient('mine');
    await assert.rejects(client.get('k'), { code: 'ECONNREFUSED', command: 'GET' });
    assert.deepStrictEqual(times, [1, 2, 3]);
  },
  maxRedirections: async (scene) => {
    const server = await fake(scene, ([command]) => {
      const { host, port } = server.options;
      return command === 'GET' ? ERROR(`MOVED 1 ${host}:${port}`) : OK;
    });
    const client = connect(scene, server, { maxRedirections: 2 }).getClient('mine');
    await assert.rejects(client.get('k'), /Too many Cluster redirections/);
    assert.strictEqual(named(server, 'GET').length, 3);
  },
  scaleReads: async (scene) => {
    const cluster = await scene.cluster({ replicas: true });
    for (const scaleReads of ['slave', 'all', 'master']) {
      const connection = scene.connectCluster(cluster, { scaleReads });
      const job = scene.producer(connection).job();
      await job.set('key', scaleReads).push();
      const key = keys.payload(job.id, 'key');
      const home = await cluster.home(key);
      const reads = async (node) =>
        Number(/cmdstat_get:calls=(\d+)/.exec(await node.call('INFO', 'commandstats'))?.[1] ?? 0);
      const before = await reads(home);
      // A replica has what its primary has a moment later.
      await until(async () => (await job.get('key', false).pull()).key === scaleReads);
      for (let count = 0; count < 10; count++) await job.get('key').pull();
      const atHome = (await reads(home)) - before;
      if (scaleReads === 'slave') assert.strictEqual(atHome, 0);
      if (scaleReads === 'all') assert.ok(atHome > 0 && atHome < 10, `${atHome}`);
      if (scaleReads === 'master') assert.ok(atHome >= 10, `${atHome}`);
    }
  },
  natMap: async (scene) => {
    const announced = { host: '10.255.255.1', port: 7000 };
    const server = await fake(
      scene,
      ([command]) => {
        if (command !== 'GET') return OK;
        return named(server, 'GET').length === 1 ? ERROR('MOVED 1 10.255.255.1:7000') : bulk('v');
      },
      { announced },
    );
    const natMap = { '10.255.255.1:7000': server.options };
    assert.strictEqual(await connect(scene, server, { natMap }).getClient('mine').get('k'), 'v');
  },
  retryDelayOnMoved: (scene) =>
    delays(scene, 'retryDelayOnMoved', ({ options }) => ERROR(`MOVED 1 ${options.host}:${options.port}`)),
  retryDelayOnFailover: (scene) =>
    delays(scene, 'retryDelayOnFailover', (_, socket) => {
      socket.destroy();
    }),
  retryDelayOnClusterDown: (scene) => delays(scene, 'retryDelayOnClusterDown', () => ERROR('CLUSTERDOWN it is down')),
  retryDelayOnTryAgain: (scene) => delays(scene, 'retryDelayOnTryAgain', () => ERROR('TRYAGAIN later')),
  slotsRefreshTimeout: async (scene) => {
    const silent = await FakeRedis.start(() => undefined);
    scene.closing(() => silent.close());
    const server = await fake(scene);
    const nodes = [silent.options, server.options];
    const connection = scene.hfxbus.ConnectionManager.cluster(nodes, { slotsRefreshTimeout: 50 });
    const started = performance.now();
    assert.strictEqual(await scene.adopt(connection).getClient('mine').get('k'), null);
    assert.ok(performance.now() - started < 900);
  },
  slotsRefreshInterval: async (scene) => {
    const [often, never] = [await fake(scene), await fake(scene)];
    await connect(scene, never, { slotsRefreshInterval: 0 }).getClient('mine').get('k');
    await connect(scene, often, { slotsRefreshInterval: 20 }).getClient('mine').get('k');
    await until(() => named(often, 'CLUSTER').length >= 5);
    assert.strictEqual(named(never, 'CLUSTER').length, 1);
  },
  enableOfflineQueue: async (scene) => {
    const server = await fake(scene);
    const client = connect(scene, server, { enableOfflineQueue: false }).getClient('mine');
    await assert.rejects(client.get('k'), { code: 'NOT_READY', command: 'GET' });
    await until(() => client.status === 'ready');
    assert.strictEqual(await client.get('k'), null);
  },
  enableReadyCheck: async (scene) => {
    const server = await fake(scene);
    await connect(scene, server, { enableReadyCheck: false }).getClient('mine').get('k');
    assert.deepStrictEqual(named(server, 'INFO'), []);
    await connect(scene, server, { enableReadyCheck: true }).getClient('mine').get('k');
    assert.notDeepStrictEqual(named(server, 'INFO'), []);
  },
  lazyConnect: async (scene) => {
    const server = await fake(scene);
    const client = connect(scene, server, { lazyConnect: true }).getClient('mine');
    await connect(scene, server, {}).getClient('mine').get('k');
    assert.strictEqual(client.status, 'wait');
    assert.strictEqual(await client.get('k'), null);
  },
};

/** Values that would do something if they did, by option. */
const WITHOUT_EFFECT = {
  enablePipelining: [true, false],
  dnsLookup: [() => assert.fail('was called')],
  resolveSrv: [() => assert.fail('was called')],
  shardedSubscribers: [true],
  enableAutoPipelining: [true],
  autoPipeliningIgnoredCommands: [['get']],
  maxScriptsCachingTime: [0],
  showFriendlyErrorStack: [true],
};

/** Rejected options, and the message of the error. */
const REFUSED = {
  useSRVRecords: [{ useSRVRecords: true }, /^useSRVRecords /],
  'scaleReads: function': [{ scaleReads: () => [] }, /^scaleReads /],
};

module.exports = { WORKING, WITHOUT_EFFECT, REFUSED, fake, connect };
