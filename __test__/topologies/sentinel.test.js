'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { FakeSentinel } = require('../support/fake-sentinel.js');
const { SentinelGroup } = require('../support/sentinel-group.js');
const { until } = require('../support/wait-until.js');

const NAME = 'main';
const UNREACHABLE = { host: '127.0.0.1', port: 1 };

const addressOf = ({ port }) => ({ host: '127.0.0.1', port });

/** A sentinel that names the file's server, or whatever else a case sets. */
async function sentinel(t, scene, set = () => {}) {
  const fake = await FakeSentinel.start((made) => {
    made.primary = addressOf(scene.redis);
    set(made);
  });
  t.after(() => fake.kill());
  return fake;
}

/** A connection by way of sentinels. */
function find(scene, sentinels, options) {
  const given = { sentinels: sentinels.map((one) => one.address ?? one), name: NAME, ...options };
  return scene.adopt(scene.hfxbus.ConnectionManager.standalone(given));
}

/** The port of the server that a connection leads to. */
async function portOf(connection, key = 'port') {
  const info = await connection.getClient(key).call('INFO', 'server');
  return Number(/tcp_port:(\d+)/.exec(info)[1]);
}

/** A replica of the file's server, and that it follows. */
async function replicaOf(scene) {
  const replica = await scene.server('--repl-diskless-sync-delay', '0');
  await scene.redis.call('CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
  await replica.call('REPLICAOF', '127.0.0.1', scene.redis.port);
  await until(async () => (await replica.call('ROLE'))[3] === 'connected', { what: 'the replica to follow' });
  return replica;
}

ours('every connection of the bus goes to the primary that the sentinels name', async (t, scene) => {
  const fake = await sentinel(t, scene);
  const connection = find(scene, [fake]);
  const done = [];
  await scene.play(async (job) => done.push(job.id), { connection });
  const producer = scene.producer(connection);
  const sent = await producer.send({ stream: scene.stream, job: producer.job('one'), waitFor: [scene.group] });
  await sent.finished();
  assert.deepStrictEqual(done, ['one']);
  assert.strictEqual(fake.heard.find(([name]) => name === 'SENTINEL')[2], NAME);
});

ours('a node of a partitioned bus may be one that sentinels know', async (t, scene) => {
  const [fake, other] = [await sentinel(t, scene), await scene.server()];
  const nodes = [{ sentinels: [fake.address], name: NAME }, addressOf(other)];
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.nodes({ nodes }));
  const ports = await Promise.all(
    connection.getClients('mine').map(async (client) => {
      const info = await client.call('INFO', 'server');
      return Number(/tcp_port:(\d+)/.exec(info)[1]);
    }),
  );
  assert.deepStrictEqual(ports, [scene.redis.port, other.port]);
});

ours('a sentinel that is down or silent does not prevent the query of the next one', async (t, scene) => {
  const silent = await sentinel(t, scene, (made) => {
    made.isSilent = true;
  });
  const fake = await sentinel(t, scene);
  const start = Date.now();
  assert.strictEqual(await portOf(find(scene, [UNREACHABLE, silent, fake])), scene.redis.port);
  assert.ok(Date.now() - start < 5000, 'well before the silent one is given up');
});

ours('connections that open at once share one answer', async (t, scene) => {
  const fake = await sentinel(t, scene);
  const connection = find(scene, [fake], { failoverDetector: false });
  await Promise.all(['a', 'b', 'c', 'd'].map((key) => portOf(connection, key)));
  assert.ok(fake.asked() < 4, `asked ${fake.asked()} times`);
  assert.ok(!fake.isWatched);
});

ours('healthy connections follow an announced failover', async (t, scene) => {
  const [fake, other] = [await sentinel(t, scene), await scene.server()];
  const connection = find(scene, [fake]);
  assert.strictEqual(await portOf(connection), scene.redis.port);
  // A new subscription is followed by one more query, in case an announcement was missed.
  await until(() => fake.isWatched && fake.asked() === 2, { what: 'somebody to listen' });
  fake.announce('another', addressOf(other));
  fake.announce(NAME, addressOf(other));
  await until(async () => (await portOf(connection)) === other.port, { what: 'the connection to move' });
});

ours('a missed announcement is found when the sentinel is back', async (t, scene) => {
  const [first, second, other] = [await sentinel(t, scene), await sentinel(t, scene), await scene.server()];
  const connection = find(scene, [first, second]);
  assert.strictEqual(await portOf(connection), scene.redis.port);
  await until(() => first.isWatched || second.isWatched, { what: 'somebody to listen' });
  const watched = [first, second].find((fake) => fake.isWatched);
  for (const fake of [first, second]) fake.primary = addressOf(other);
  watched.kill();
  await until(async () => (await portOf(connection)) === other.port, { what: 'the connection to move' });
});

ours('READONLY from a demoted primary leads to the new one, and the command is done there', async (t, scene) => {
  const old = await scene.server();
  const fake = await sentinel(t, scene, (made) => {
    made.primary = addressOf(old);
  });
  const connection = find(scene, [fake], { failoverDetector: false });
  const client = connection.getClient('mine');
  assert.strictEqual(await client.call('SET', scene.name('key'), '1'), 'OK');
  await old.call('REPLICAOF', '127.0.0.1', scene.redis.port);
  fake.primary = addressOf(scene.redis);
  const errors = scene.errors(client);
  const keys = Array.from({ length: 20 }, () => scene.name('key'));
  const replies = await Promise.all(keys.map((key) => client.call('SET', key, '1')));
  assert.deepStrictEqual(new Set(replies), new Set(['OK']));
  for (const key of keys) assert.strictEqual(await scene.redis.call('GET', key), '1');
  assert.deepStrictEqual(errors, []);
});

ours('a consumer reads on when its primary is demoted during a blocked read', async (t, scene) => {
  const old = await scene.server();
  const fake = await sentinel(t, scene, (made) => {
    made.primary = addressOf(old);
  });
  const connection = find(scene, [fake], { failoverDetector: false });
  const done = [];
  const consumer = await scene.play(async (job) => done.push(job.id), { connection, fromId: '0' });
  const errors = scene.errors(consumer);
  await scene.add('before', { redis: old });
  await until(() => done.length === 1);
  fake.primary = addressOf(scene.redis);
  await old.call('REPLICAOF', '127.0.0.1', scene.redis.port);
  await scene.add('after');
  await until(() => done.includes('after'), { what: 'the consumer to read on' });
  assert.deepStrictEqual(
    errors.map(({ code }) => code),
    errors.map(() => 'CONSUME_ERROR'),
  );
  assert.ok(errors.length <= 1, 'the group was missing there, at most once');
});

ours('a primary that turns out to be a replica is not used', async (t, scene) => {
  const replica = await replicaOf(scene);
  const wrong = await sentinel(t, scene, (made) => {
    made.primary = addressOf(replica);
  });
  const right = await sentinel(t, scene);
  const connection = find(scene, [wrong, right], { failoverDetector: false });
  const client = connection.getClient('mine');
  const errors = scene.errors(client);
  assert.strictEqual(await client.call('SET', scene.name('key'), '1'), 'OK');
  assert.strictEqual(await portOf(connection), scene.redis.port);
  assert.deepStrictEqual(
    errors.map(({ code, node }) => [code, node]),
    [['WRONG_ROLE', `127.0.0.1:${replica.port}`]],
  );
});

ours('READONLY is returned in the end if no other primary is found', async (t, scene) => {
  const server = await scene.server('--repl-diskless-sync-delay', '0');
  await server.call('REPLICAOF', '127.0.0.1', scene.redis.port);
  // It cannot be found out that this is no primary.
  await server.call('ACL', 'SETUSER', 'default', '-role', '-info');
  const fake = await sentinel(t, scene, (made) => {
    made.primary = addressOf(server);
  });
  const connection = find(scene, [fake], { failoverDetector: false, retryStrategy: () => 1 });
  await assert.rejects(connection.getClient('mine').call('SET', 'key', '1'), { code: 'READONLY' });
  assert.ok(fake.asked() > 2, 'it was looked for');
});

ours('sentinels that others know are queried when the given ones are gone', async (t, scene) => {
  const other = await scene.server();
  const learnt = await sentinel(t, scene, (made) => {
    made.primary = addressOf(other);
  });
  const named = await sentinel(t, scene, (made) => {
    made.sentinels = [learnt.address];
  });
  const connection = find(scene, [named], { failoverDetector: false });
  const client = connection.getClient('mine');
  await client.call('PING');
  named.kill();
  const me = await client.call('CLIENT', 'ID');
  await scene.redis.call('CLIENT', 'KILL', 'ID', me);
  await until(async () => (await portOf(connection, 'mine')) === other.port, { what: 'the connection to move' });
});

ours('with updateSentinels off only the given sentinels are queried', async (t, scene) => {
  const fake = await sentinel(t, scene);
  const connection = find(scene, [fake], { updateSentinels: false });
  await portOf(connection);
  assert.strictEqual(fake.asked('sentinels'), 0);
});

ours('natMap translates the addresses of servers', async (t, scene) => {
  const fake = await sentinel(t, scene, (made) => {
    made.primary = { host: '10.1.2.3', port: 6379 };
  });
  const natMap = { '10.1.2.3:6379': addressOf(scene.redis) };
  assert.strictEqual(await portOf(find(scene, [fake], { natMap })), scene.redis.port);
});

ours('with role slave connections go to a replica, the preferred one if it is available', async (t, scene) => {
  const [first, second] = [await replicaOf(scene), await replicaOf(scene)];
  const fake = await sentinel(t, scene, (made) => {
    made.replicas = [first, second].map(addressOf);
  });
  const preferredSlaves = [
    { ip: '127.0.0.1', port: first.port, prio: 3 },
    { ip: '127.0.0.1', port: String(second.port), prio: 2 },
    { ip: '127.0.0.1', port: 1, prio: 1 },
  ];
  const connection = find(scene, [fake], { role: 'slave', preferredSlaves });
  assert.strictEqual(await portOf(connection), second.port);
  await until(() => fake.isWatched);
  fake.replicas = [addressOf(first)];
  await second.call('REPLICAOF', 'NO', 'ONE');
  fake.announce(NAME, addressOf(second));
  await until(async () => (await portOf(connection)) === first.port, { what: 'the promoted one to be left' });
});

ours('sentinelRetryStrategy is called after each failed round, and can give up', async (_, scene) => {
  const rounds = [];
  const sentinelRetryStrategy = (round) => {
    rounds.push(round);
    return round < 3 ? 1 : null;
  };
  const connection = find(scene, [UNREACHABLE], { sentinelRetryStrategy });
  const client = connection.getClient('mine');
  const errors = scene.errors(client);
  await assert.rejects(client.call('PING'), { code: 'CONNECTION_CLOSED' });
  assert.deepStrictEqual(rounds, [1, 2, 3]);
  assert.deepStrictEqual(
    errors.map(({ code, node }) => [code, node]),
    rounds.map(() => ['ECONNREFUSED', '127.0.0.1:1']),
  );
});

ours(
  'sentinelReconnectStrategy is never called, and sentinelMaxConnections does not change the connections',
  async (t, scene) => {
    const said = async (options) => {
      const [first, second] = [await sentinel(t, scene), await sentinel(t, scene)];
      const connection = find(scene, [first, second], options);
      const client = connection.getClient('mine');
      await client.ping();
      await until(() => first.isWatched);
      // The one that is listened to is lost.
      first.kill();
      await until(() => second.isWatched);
      assert.strictEqual(await client.ping(), 'PONG');
      const heard = [first, second].flatMap((one) => one.heard.map((words) => words.join(' ')));
      return [...new Set(heard)].sort();
    };
    const expected = await said({});
    for (const option of [
      { sentinelReconnectStrategy: () => assert.fail('was called') },
      { sentinelMaxConnections: 1 },
    ]) {
      assert.deepStrictEqual(await said(option), expected);
    }
  },
);

ours('commands wait for sentinels that come up later', async (t, scene) => {
  const fake = await sentinel(t, scene, (made) => {
    made.isSilent = true;
  });
  const connection = find(scene, [fake], { sentinelCommandTimeout: 50, maxRetriesPerRequest: 0 });
  const port = portOf(connection);
  await until(() => fake.asked() > 2, { what: 'it to be asked again' });
  fake.isSilent = false;
  assert.strictEqual(await port, scene.redis.port);
});

ours('a name that no sentinel knows fails waiting calls with the error of the sentinels', async (t, scene) => {
  const fake = await sentinel(t, scene, (made) => {
    made.primary = null;
  });
  const connection = find(scene, [UNREACHABLE, fake]);
  const { port } = fake.address;
  const expected = { code: 'ERR', message: 'ERR No such master with that name', node: `127.0.0.1:${port}` };
  await assert.rejects(connection.getClient('mine').call('PING'), expected);
});

ours('stop() ends the subscriptions to sentinels, and the process can end', async (t, scene) => {
  const fake = await sentinel(t, scene);
  const connection = find(scene, [fake]);
  await portOf(connection);
  await until(() => fake.isWatched);
  await connection.stop();
  await until(() => fake.connections === 0, { what: 'the connections to close' });
  const child = scene.child(
    async ({ hfxbus, options, print }) => {
      const bus = hfxbus.ConnectionManager.standalone(options);
      print('reply', await bus.getClient('mine').call('PING'));
      await bus.stop();
    },
    { options: { sentinels: [fake.address], name: NAME } },
  );
  assert.deepStrictEqual(await child.says('reply'), ['PONG']);
  assert.strictEqual((await child.exit()).code, 0);
});

ours('sentinels get the password that they require, and their refusal is reported', async (t, scene) => {
  const group = await SentinelGroup.start({ password: 'for sentinels'.replace(' ', '-') });
  t.after(() => group.kill());
  const open = (options) => scene.adopt(scene.hfxbus.ConnectionManager.standalone({ ...group.options, ...options }));
  const allowed = open({ sentinelPassword: 'for-sentinels' });
  assert.strictEqual(await portOf(allowed), (await group.primary()).port);
  const named = open({ sentinelUsername: 'default', sentinelPassword: 'for-sentinels' });
  assert.strictEqual(await portOf(named), (await group.primary()).port);
  await assert.rejects(open({ sentinelPassword: 'wrong' }).getClient('mine').call('PING'), { code: 'WRONGPASS' });
  await assert.rejects(open({}).getClient('mine').call('PING'), { code: 'NOAUTH' });
});
