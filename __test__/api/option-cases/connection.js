'use strict';

const assert = require('node:assert');
const os = require('node:os');
const path = require('node:path');
const certificates = require('../../support/certificates.js');
const { hasEngineTest } = require('../../support/documented-options.js');
const { ERROR, OK, bulk } = require('../../support/fake-redis.js');
const { TlsServer } = require('../../support/tls-server.js');
const { replaceSubscribers } = require('../../support/named-clients.js');
const { until } = require('../../support/wait-until.js');

const SOCKET = 'src/redis_io/connection/socket.rs';

/** A client with these options, on this file's server unless they say otherwise. */
const open = (scene, options) => scene.connect(options).getClient('mine');

/** Opens a client on a server with given replies, and returns both. */
async function fake(scene, answer, options) {
  const server = await scene.fake((words, socket) => answer(words, socket) ?? OK);
  return { server, client: open(scene, { ...server.options, enableReadyCheck: false, ...options }) };
}

/** Options of a Redis that is not there. */
async function nowhere(scene) {
  const server = await scene.server();
  server.kill();
  return server.options;
}

/** Of two commands that wait for a Redis, only the first one may. */
async function secondIsRefused(scene, options) {
  const server = await scene.server();
  server.kill();
  const client = open(scene, { ...server.options, ...options });
  const first = client.echo('first');
  await assert.rejects(client.echo('second'), { code: 'QUEUE_FULL', command: 'ECHO' });
  await server.start();
  assert.strictEqual(await first, 'first');
}

const named = (server, name) => server.commands.filter(([command]) => command === name);

/** Cases of the options of ioredis, by option. */
const WORKING = {
  url: async (scene) => {
    const other = await scene.server();
    await open(scene, { url: `redis://127.0.0.1:${other.port}`, host: 'nowhere.invalid', port: 1 }).set('there', '1');
    assert.strictEqual(await other.call('GET', 'there'), '1');
  },
  host: async (scene) => {
    assert.strictEqual(await open(scene, { host: 'localhost' }).ping(), 'PONG');
    const elsewhere = open(scene, { host: '127.0.0.2', retryStrategy: null });
    await assert.rejects(elsewhere.ping());
  },
  port: async (scene) => {
    const other = await scene.server();
    const info = await open(scene, { port: String(other.port) }).info('server');
    assert.match(info, new RegExp(`tcp_port:${other.port}\\r`));
  },
  path: async (scene) => {
    const socket = path.join(os.tmpdir(), `hfxbus-${process.pid}-${scene.name('socket')}`);
    await scene.server('--unixsocket', socket);
    const client = open(scene, { path: socket, port: 1 });
    assert.match(await client.client('info'), new RegExp(`laddr=\\[?${socket}`));
  },
  family: async (scene) => {
    // The server listens on the IPv4 loopback only.
    assert.strictEqual(await open(scene, { host: 'localhost', family: 4 }).ping(), 'PONG');
    assert.strictEqual(await open(scene, { host: 'localhost', family: 0 }).ping(), 'PONG');
    await assert.rejects(open(scene, { host: 'localhost', family: 6, retryStrategy: null }).ping());
  },
  username: async (scene) => {
    const user = scene.name('user');
    await scene.redis.call('ACL', 'SETUSER', user, 'on', '>secret', '+@all');
    assert.strictEqual(await open(scene, { username: user, password: 'secret' }).acl('whoami'), user);
  },
  password: async (scene) => {
    const server = await scene.server('--requirepass', 'secret');
    assert.strictEqual(await open(scene, { ...server.options, password: 'secret' }).ping(), 'PONG');
    const other = open(scene, { ...server.options, password: 'other' });
    await assert.rejects(other.ping(), { code: 'WRONGPASS' });
  },
  db: async (scene) => {
    assert.match(await open(scene, { db: 3 }).client('info'), / db=3 /);
  },
  connectionName: async (scene) => {
    assert.strictEqual(await open(scene, { connectionName: 'me' }).client('getname'), 'me');
  },
  tls: async (scene) => {
    const authority = certificates.authority('authority');
    const server = await TlsServer.start(certificates.server(authority));
    try {
      assert.strictEqual(await open(scene, { ...server.options, tls: { ca: authority.cert } }).ping(), 'PONG');
      const client = open(scene, { ...server.options, tls: {} });
      await assert.rejects(client.ping(), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    } finally {
      server.kill();
    }
  },
  connectTimeout: async (scene) => {
    const silent = await scene.fake(() => undefined);
    const errors = scene.errors(open(scene, { ...silent.options, connectTimeout: 50, retryStrategy: null }));
    await until(() => errors.length > 0);
    assert.strictEqual(errors[0].code, 'ETIMEDOUT');
  },
  commandTimeout: async (scene) => {
    const client = open(scene, { commandTimeout: 50 });
    await assert.rejects(client.blpop(scene.name('list'), 0), { code: 'COMMAND_TIMEOUT', command: 'BLPOP' });
  },
  socketTimeout: async (scene) => {
    const server = await scene.fake(() => (named(server, 'SET').length === 1 ? undefined : OK));
    const connection = scene.connect({ ...server.options, enableReadyCheck: false, socketTimeout: 50 });
    await scene.producer(connection).job('job-1').set('a', 1).push();
    assert.deepStrictEqual([named(server, 'SET').length, server.connected.length], [2, 2]);
  },
  maxQueuedCommands: (scene) => secondIsRefused(scene, { maxQueuedCommands: 1 }),
  maxQueuedBytes: (scene) => secondIsRefused(scene, { maxQueuedBytes: 20 }),
  keepAlive: () => {
    assert.ok(hasEngineTest(SOCKET, 'a_socket_is_probed_when_it_was_idle_for_as_long_as_told'));
  },
  noDelay: () => {
    assert.ok(hasEngineTest(SOCKET, 'a_socket_delays_nothing_unless_it_may'));
  },
  lazyConnect: async (scene) => {
    const client = open(scene, { lazyConnect: true });
    assert.strictEqual(client.status, 'wait');
    await client.ping();
    assert.strictEqual(client.status, 'ready');
  },
  enableOfflineQueue: async (scene) => {
    const options = await nowhere(scene);
    const client = open(scene, { ...options, enableOfflineQueue: false });
    await assert.rejects(client.ping(), { code: 'NOT_READY', command: 'PING' });
  },
  enableReadyCheck: async (scene) => {
    for (const enableReadyCheck of [true, false]) {
      const { client, server } = await fake(scene, () => undefined, { enableReadyCheck });
      await client.ping();
      assert.strictEqual(named(server, 'INFO').length, enableReadyCheck ? 1 : 0);
    }
  },
  maxLoadingRetryTime: async (scene) => {
    const loading = (server) => named(server, 'INFO').length === 1;
    let asked = 0;
    const answer = ([name]) => {
      if (name !== 'INFO') return undefined;
      asked += 1;
      return bulk(asked === 1 ? 'loading:1\r\nloading_eta_seconds:3600\r\n' : 'loading:0\r\n');
    };
    const { client, server } = await fake(scene, answer, { enableReadyCheck: true, maxLoadingRetryTime: 20 });
    assert.strictEqual(await client.ping(), 'OK');
    assert.ok(!loading(server));
  },
  retryStrategy: async (scene) => {
    const asked = [];
    const retryStrategy = (times) => {
      asked.push(times);
      return times < 3 ? 1 : null;
    };
    const client = open(scene, { ...(await nowhere(scene)), retryStrategy });
    await assert.rejects(client.ping(), { code: 'CONNECTION_CLOSED' });
    assert.deepStrictEqual(asked, [1, 2, 3]);
  },
  maxRetriesPerRequest: async (scene) => {
    const options = { ...(await nowhere(scene)), retryStrategy: () => 1 };
    await assert.rejects(open(scene, { ...options, maxRetriesPerRequest: 2 }).ping(), { code: 'MAX_RETRIES' });
  },
  reconnectOnError: async (scene) => {
    const asked = [];
    let isFirst = true;
    const answer = ([name]) => {
      if (name !== 'GET' || !isFirst) return undefined;
      isFirst = false;
      return ERROR('ERR of the moment');
    };
    const reconnectOnError = (error) => {
      asked.push(error.message);
      return 2;
    };
    const { client, server } = await fake(scene, answer, { reconnectOnError });
    assert.strictEqual(await client.get('k'), 'OK');
    assert.deepStrictEqual(asked, ['ERR of the moment']);
    assert.strictEqual(server.connected.length, 2);
  },
  autoResubscribe: async (scene) => {
    for (const autoResubscribe of [true, false]) {
      const server = await scene.server();
      const connection = scene.connect({
        ...server.options,
        autoResubscribe,
        connectionName: 'all',
        retryStrategy: () => 1,
      });
      const producer = scene.producer(connection);
      await producer.listen('first');
      const monitor = await scene.monitor(server);
      await replaceSubscribers(server, 'all');
      await producer.listen('last');
      const patterns = (await monitor.named('PSUBSCRIBE')).flatMap(([, ...names]) => names);
      // Whether the first one is there again before the last one is asked for, or both are in one command, is all the same.
      assert.deepStrictEqual(
        patterns.sort(),
        [...(autoResubscribe ? ['first'] : []), 'last'].map((stream) => `hfxbus:chn:${stream}:*`),
      );
    }
  },
  autoResendUnfulfilledCommands: async (scene) => {
    for (const autoResendUnfulfilledCommands of [true, false]) {
      let isFirst = true;
      const answer = ([name], socket) => {
        if (name === 'GET' && isFirst) socket.destroy();
        isFirst &&= name !== 'GET';
        return socket.destroyed ? Buffer.alloc(0) : undefined;
      };
      const { client } = await fake(scene, answer, { autoResendUnfulfilledCommands });
      if (autoResendUnfulfilledCommands) assert.strictEqual(await client.get('k'), 'OK');
      else await assert.rejects(client.get('k'), { code: 'CONNECTION_LOST', command: 'GET' });
    }
  },
  readOnly: async (scene) => {
    const { client, server } = await fake(scene, () => undefined, { readOnly: true });
    await client.ping();
    assert.strictEqual(named(server, 'READONLY').length, 1);
  },
  keyPrefix: async (scene) => {
    const connection = scene.connect({ keyPrefix: 'mine' });
    await scene.producer(connection).job('job-1').set('a', 1).push();
    assert.strictEqual(await scene.redis.call('GET', 'mine:job:job-1:a'), '1');
  },
  stringNumbers: async (scene) => {
    assert.strictEqual(await open(scene, { stringNumbers: true }).exists(scene.name('key')), '0');
  },
};

/** Values that would do something if they did, by option. */
const WITHOUT_EFFECT = {
  enablePipelining: [false],
  sequence: [5],
  staticRoutes: [['job-1', 1]],
  enableAutoPipelining: [true],
  autoPipeliningIgnoredCommands: [['get']],
  dropBufferSupport: [true],
  showFriendlyErrorStack: [true],
  maxScriptsCachingTime: [0],
  disconnectTimeout: [0],
  Connector: [
    class {
      constructor() {
        throw new Error('was used');
      }
    },
  ],
  Promise: [
    class {
      constructor() {
        throw new Error('was used');
      }
    },
  ],
};

const REFUSED = {
  "tls: 'profile'": [{ tls: 'RedisCloudFixed' }, /^tls\b/],
};

module.exports = { WORKING, WITHOUT_EFFECT, REFUSED };
