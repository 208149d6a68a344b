'use strict';

/* That what waits for a connection that does not come about says why there is none. */

const assert = require('node:assert');
const os = require('node:os');
const path = require('node:path');
const { ours } = require('../support/cases.js');
const { OK } = require('../support/fake-redis.js');
const { freePort } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');

const QUICK = { retryStrategy: () => 1, maxRetriesPerRequest: 1 };

/** Every call that waits for Redis, by its name. */
function callsOf(scene, connection) {
  const { stream } = scene;
  const producer = scene.producer(connection);
  const listener = scene.producer(connection);
  const consumer = scene.consumer({}, connection).process({ stream, processor: async () => {} });
  const client = connection.getClient('mine');
  return {
    push: () => producer.job('j').set('a', 1).push(),
    pull: () => producer.job('j').get('a').pull(),
    send: () => producer.send({ stream, job: producer.job() }),
    'send and wait': () => producer.send({ stream, job: producer.job(), waitFor: ['g'] }),
    'listen to its own': () => producer.listen(),
    'listen to all': () => listener.listen(stream),
    play: () => consumer.play(),
    get: () => client.get('a'),
    pipeline: () => client.pipeline().get('a').exec(),
  };
}

/** The error of each call, all of which begin at once. */
async function failuresOf(scene, connection) {
  const named = Object.entries(callsOf(scene, connection)).map(async ([name, call]) => {
    const failed = await call().then(
      // A pipeline has the errors of its commands in its result.
      (value) => (Array.isArray(value) ? value[0][0] : assert.fail(`${name} did not fail`)),
      (error) => error,
    );
    return [name, failed];
  });
  return Object.fromEntries(await Promise.all(named));
}

async function absences() {
  const port = await freePort();
  const socket = path.join(os.tmpdir(), `hfxbus-absent-${process.pid}.sock`);
  return [
    [
      'a port where nobody listens',
      { host: '127.0.0.1', port },
      `127.0.0.1:${port}`,
      `connect ECONNREFUSED 127.0.0.1:${port}`,
    ],
    ['a unix socket that is not there', { path: socket }, socket, `connect ENOENT ${socket}`],
  ];
}

ours('every call reports why Redis is unreachable, in its message and as its cause', async (_, scene) => {
  for (const [kind, options, node, reason] of await absences()) {
    const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone({ ...options, ...QUICK }));
    const failures = await failuresOf(scene, connection);
    for (const [name, error] of Object.entries(failures)) {
      const { code, cause } = error;
      const text = `Reached the max retries per request limit (which is 1). Refer to "maxRetriesPerRequest" option for details.`;
      assert.strictEqual(error.message, `${text} Last error: ${reason}`, `${name}, ${kind}`);
      assert.deepStrictEqual([error.name, code, error.node], ['MaxRetriesPerRequestError', 'MAX_RETRIES', node], name);
      assert.deepStrictEqual([cause.message, cause.code, cause.node], [reason, reason.split(' ')[1], node], name);
      assert.ok(!Object.keys(error).includes('cause'), 'it is as the cause of any error');
    }
  }
});

ours('calls to one of several nodes report why that node is unreachable', async (_, scene) => {
  const ports = [await freePort(), await freePort()];
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port, ...QUICK }));
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.nodes({ nodes }));
  const failures = await Promise.all(
    connection.getClients('mine').map((client) => client.get('a').catch((error) => error)),
  );
  const reasons = failures.map(({ message }) => message.split('Last error: ')[1]);
  assert.deepStrictEqual(
    reasons,
    ports.map((port) => `connect ECONNREFUSED 127.0.0.1:${port}`),
  );
  const producer = scene.producer(connection);
  await assert.rejects(producer.job().set('a', 1).push(), ({ message, node, cause }) => {
    return message.endsWith(`Last error: connect ECONNREFUSED ${node}`) && cause.code === 'ECONNREFUSED';
  });
});

ours('a play() after a failed push() waits no longer than the push() did', async (_, scene) => {
  let attempts = 0;
  const retryStrategy = (times) => {
    attempts = times;
    return 10 * times ** 2;
  };
  const options = { host: '127.0.0.1', port: await freePort(), retryStrategy, maxRetriesPerRequest: 4 };
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(options));
  const { push, play, ...others } = callsOf(scene, connection);
  await assert.rejects(push(), { code: 'MAX_RETRIES' });
  assert.strictEqual(attempts, 5);
  await assert.rejects(play(), { code: 'MAX_RETRIES' });
  assert.ok(attempts < 10, `it failed after attempt ${attempts}`);
  await assert.rejects(others.pull(), { code: 'MAX_RETRIES' });
  assert.ok(attempts < 15, `it failed after attempt ${attempts}`);
});

ours('after retryStrategy gave up, calls fail with the text of 2.2.0 and the cause', async (_, scene) => {
  const options = { host: '127.0.0.1', port: await freePort(), retryStrategy: () => null };
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(options));
  for (const [name, { message, code, cause }] of Object.entries(await failuresOf(scene, connection))) {
    assert.deepStrictEqual(
      [message, code, cause?.code],
      ['Connection is closed.', 'CONNECTION_CLOSED', 'ECONNREFUSED'],
      name,
    );
  }
});

ours(
  'commandTimeout, a full queue and a disabled offline queue have the last connection failure as their cause',
  async (_, scene) => {
    const fails = async (options, calls) => {
      const given = { host: '127.0.0.1', port: await freePort(), retryStrategy: () => 1, maxRetriesPerRequest: null };
      const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone({ ...given, ...options }));
      const client = connection.getClient('mine');
      await new Promise((resolve) => client.once('error', resolve));
      const settled = await Promise.allSettled(Array.from({ length: calls }, () => client.get('a')));
      const { message, code, cause } = settled.at(-1).reason;
      return [message.replaceAll(/:\d+$/g, ''), code, cause.code];
    };
    const last = 'Last error: connect ECONNREFUSED 127.0.0.1';
    assert.deepStrictEqual(await fails({ commandTimeout: 20 }, 1), [
      `Command timed out. ${last}`,
      'COMMAND_TIMEOUT',
      'ECONNREFUSED',
    ]);
    const full = 'As much waits for a reply as maxQueuedCommands and maxQueuedBytes allow';
    const crowded = await fails({ commandTimeout: 500, maxQueuedCommands: 1 }, 2);
    assert.deepStrictEqual(crowded, [`${full}. ${last}`, 'QUEUE_FULL', 'ECONNREFUSED']);
    assert.deepStrictEqual(await fails({ enableOfflineQueue: false }, 1), [
      "Stream isn't writeable and enableOfflineQueue options is false",
      'NOT_READY',
      'ECONNREFUSED',
    ]);
  },
);

ours('a command without a reply on a live connection has no cause', async (_, scene) => {
  const fake = await scene.fake((words) => (words[0] === 'GET' ? undefined : OK));
  const client = scene.connect({ ...fake.options, commandTimeout: 30 }).getClient('mine');
  await assert.rejects(client.get('a'), ({ message, cause }) => message === 'Command timed out' && cause === undefined);
});

ours('a command in flight on a broken connection has the reason as its cause', async (_, scene) => {
  const redis = await scene.server();
  const client = scene.connect({ ...redis.options, autoResendUnfulfilledCommands: false }).getClient('mine');
  await client.ping();
  const waiting = client.call('XREAD', 'BLOCK', 0, 'STREAMS', 'stream', '$');
  const refused = assert.rejects(waiting, ({ message, code, cause }) => {
    assert.deepStrictEqual([message, code], ['Connection is closed.', 'CONNECTION_LOST']);
    assert.match(cause.message, /^(The server closed the connection\.|read ECONNRESET)$/);
    return true;
  });
  await until(async () => /flags=b.* cmd=xread/i.test(await redis.call('CLIENT', 'LIST')));
  redis.kill();
  await refused;
});
