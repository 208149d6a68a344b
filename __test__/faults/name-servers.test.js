'use strict';

/* Name servers that do not answer. The answers are held back, so nothing of this machine has to be changed. */

const assert = require('node:assert');
const { once } = require('node:events');
const net = require('node:net');
const { ours } = require('../support/cases.js');
const { shortage } = require('../support/shortage.js');

/** Longer than a child may run, so that nothing can end by itself. */
const ENDLESS = 60000;
/** One second is what an end may take; a machine that does other things too takes longer to start and to reap it. */
const SOON = 4000;
const SILENT = { host: 'redis.silent', port: 6379 };
const MODES = { 'the engine on the event loop': {}, 'the engine on its own thread': { HFXBUS_ENGINE: 'thread' } };

/** Runs a function in a process with a silent name server. */
function silenced(scene, mode, run, { silence = ENDLESS, ...rest } = {}) {
  const variables = { ...shortage({ silence }), ...mode };
  return scene.child(run, { options: SILENT, variables, limit: 25000, ...rest });
}

/** Opens all connections of a bus to the name, and prints when each has started. Runs in the child. */
const OPEN = `(hfxbus, options) => {
  const { readdirSync, readFileSync } = require('node:fs');
  const connection = hfxbus.ConnectionManager.standalone(options);
  const producer = new hfxbus.Producer(connection);
  const consumer = new hfxbus.Consumer(connection, { group: 'g' });
  consumer.process({ stream: 's', processor: () => {} });
  const work = [
    producer.job('j').set('a', 1).push(),
    producer.send({ stream: 's', job: producer.job(), waitFor: ['g'] }),
    consumer.play(),
  ];
  const asks = () => readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync('/proc/self/task/' + task + '/comm', 'utf8').startsWith('hfxbus-dns');
    } catch {
      return false;
    }
  }).length;
  const asked = (async () => {
    while (asks() === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  })();
  return { connection, work, asks, asked };
}`;

for (const [name, mode] of Object.entries(MODES)) {
  ours(`process.exit() does not wait for a silent name server, with ${name}`, async (_, scene) => {
    const child = silenced(
      scene,
      mode,
      async ({ hfxbus, options, data, print }) => {
        // biome-ignore lint/security/noGlobalEval: it is the test's own text
        const { asked, work } = eval(data)(hfxbus, options);
        for (const promise of work) promise.catch(() => {});
        await asked;
        print('exits', Date.now());
        process.exit(7);
      },
      { data: OPEN },
    );
    const [since] = await child.says('exits', 20000);
    const { code, at } = await child.exit();
    assert.strictEqual(code, 7);
    assert.ok(at - since < SOON, `${at - since} ms`);
  });

  ours(
    `stop() and the end of a process do not wait for a name server that does not answer, with ${name}`,
    async (_, scene) => {
      const child = silenced(
        scene,
        mode,
        async ({ hfxbus, options, data, print }) => {
          for (const given of [{ force: true }, undefined, { maxWait: 50 }]) {
            // biome-ignore lint/security/noGlobalEval: it is the test's own text
            const { connection, asked, work } = eval(data)(hfxbus, options);
            const codes = Promise.all(work.map((promise) => promise.catch((error) => error.code)));
            await asked;
            const since = performance.now();
            await connection.stop(given);
            print(JSON.stringify(given) ?? 'plain', performance.now() - since, await codes);
          }
          print('ends', Date.now());
        },
        { data: OPEN },
      );
      const [since] = await child.says('ends', 20000);
      const { code, at } = await child.exit();
      assert.strictEqual(code, 0, child.stderr);
      assert.ok(at - since < SOON, `${at - since} ms`);
      for (const [how, took, codes] of child.printed.slice(0, 3)) {
        assert.ok(took < 1900, `${how}: ${took} ms`);
        assert.deepStrictEqual(codes, Array(3).fill('CONNECTION_CLOSED'));
      }
    },
  );

  ours(`workers end while a name server is silent, and leave no thread behind, with ${name}`, async (_, scene) => {
    const child = silenced(
      scene,
      mode,
      async ({ options, data, print }) => {
        const { once } = require('node:events');
        const { readdirSync } = require('node:fs');
        const { Worker } = require('node:worker_threads');
        const threads = () => readdirSync('/proc/self/task').length;
        const before = threads();
        let longest = 0;
        for (let round = 0; round < 12; round++) {
          const host = `redis-${round % 4}.silent`;
          const source = `
            const { asked, work } = (${data.open})(require(${JSON.stringify(data.file)}), ${JSON.stringify({ ...options, host })});
            for (const promise of work) promise.catch(() => {});
            asked.then(() => require('node:worker_threads').parentPort.postMessage('asked'));`;
          const worker = new Worker(source, { eval: true });
          await once(worker, 'message');
          const since = performance.now();
          await worker.terminate();
          longest = Math.max(longest, performance.now() - since);
        }
        const during = threads();
        while (threads() > before) await new Promise((resolve) => setTimeout(resolve, 5));
        print('ended', longest, before, during, threads());
      },
      { silence: 4000, data: { open: OPEN, file: scene.subject.file } },
    );
    const [longest, before, during, after] = await child.says('ended', 25000);
    const { code, signal } = await child.exit();
    assert.deepStrictEqual([code, signal], [0, null], child.stderr);
    assert.ok(longest < 3000, `${longest} ms`);
    assert.ok(during > before, 'some questions outlived their worker');
    assert.strictEqual(after, before);
  });
}

ours('a process ends at once while a server stalls the TLS handshake', async (_, scene) => {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  scene.closing(() => server.close());
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const child = scene.child(
    ({ hfxbus, options, print }) => {
      process.on('SIGUSR2', () => {
        print('exits', Date.now());
        process.exit(7);
      });
      const client = hfxbus.ConnectionManager.standalone(options).getClient('a');
      client.call('ping').catch(() => {});
    },
    { options: { host: '127.0.0.1', port: server.address().port, tls: {} } },
  );
  await connected;
  child.signal('SIGUSR2');
  const [since] = await child.says('exits');
  const { code, at } = await child.exit();
  assert.strictEqual(code, 7);
  assert.ok(at - since < SOON, `${at - since} ms`);
});

ours(
  'a failed attempt to connect reports a silent name server and a name without an address as different errors',
  async (_, scene) => {
    const child = scene.child(
      async ({ hfxbus, print }) => {
        const failure = async (options) => {
          const connection = hfxbus.ConnectionManager.standalone({ port: 1, ...options });
          const client = connection.getClient('a');
          const [error] = await require('node:events')
            .once(client, 'error')
            .catch((thrown) => [thrown]);
          await connection.stop({ force: true });
          return [error.code, error.message, error.node];
        };
        print('late', ...(await failure({ host: 'one.silent', connectTimeout: 50 })));
        process.env.HFXBUS_SILENCE = '1';
        print('unanswered', ...(await failure({ host: 'two.silent' })));
        print('unknown', ...(await failure({ host: 'host.invalid' })));
      },
      { variables: shortage({ silence: 1000 }) },
    );
    const late = 'connect ETIMEDOUT: no name server has answered';
    assert.deepStrictEqual(await child.says('late'), ['ETIMEDOUT', late, 'one.silent:1']);
    assert.deepStrictEqual(await child.says('unanswered'), [
      'EAI_AGAIN',
      'getaddrinfo EAI_AGAIN two.silent',
      'two.silent:1',
    ]);
    const [code] = await child.says('unknown');
    assert.match(code, /^(ENOTFOUND|EAI_AGAIN)$/, 'there may be no name server here');
    assert.strictEqual((await child.exit()).code, 0);
  },
);

ours('connections to one name share a lookup, for any number of attempts', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, data, print }) => {
      const options = { host: 'redis.silent', connectTimeout: 20, retryStrategy: () => 1, maxRetriesPerRequest: null };
      // biome-ignore lint/security/noGlobalEval: it is the test's own text
      const { connection, asks, work } = eval(data)(hfxbus, options);
      for (const promise of work) promise.catch(() => {});
      let [attempts, most] = [0, 0];
      connection.getClient('mine').on('error', () => {
        attempts++;
        most = Math.max(most, asks());
        if (attempts < 20) return;
        print('asked', most);
        process.exit();
      });
    },
    { variables: shortage({ silence: ENDLESS }), data: OPEN },
  );
  assert.deepStrictEqual(await child.says('asked'), [1]);
});
