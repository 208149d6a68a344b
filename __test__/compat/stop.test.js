'use strict';

const assert = require('node:assert');
const { fix, keep } = require('../support/cases.js');
const { freePort } = require('../support/redis-server.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { stays, until } = require('../support/wait-until.js');

/** Returns the number of connections of a server, without the test's own. */
async function connections(redis) {
  const list = await redis.call('CLIENT', 'LIST');
  return list.trim().split('\n').length - 1;
}

keep('stop() resolves without connections, and when called twice', async (_, scene) => {
  const connection = scene.connect();
  await connection.stop();
  await Promise.all([connection.stop(), connection.stop()]);
});

keep('stop closes idle connections with QUIT, those of listening producers too', async (t, scene) => {
  const redis = await scene.server();
  const proxy = await TcpProxy.to(redis.port);
  t.after(() => proxy.close());
  const connection = scene.connect(proxy.options);
  const [one, two] = [scene.producer(connection), scene.producer(connection)];
  await one.listen();
  await two.listen('a', 'b*');
  await one.send({ stream: scene.stream, job: one.job() });
  // MONITOR of Redis 6.2 does not show it.
  const sent = proxy.record();
  await connection.stop();
  await until(async () => (await connections(redis)) === 0);
  assert.match(Buffer.concat(sent).toString(), /QUIT/i);
});

fix('stop() ends the read of an idle consumer at once, for any blockTimeout', async (_, scene) => {
  for (const blockTimeout of [0, 60000]) {
    const redis = await scene.server();
    const connection = scene.connect(redis.options);
    await scene.play(async () => {}, { connection, blockTimeout });
    await until(async () => /blocked_clients:1/.test(await redis.call('INFO', 'clients')));
    const started = Date.now();
    await connection.stop();
    assert.ok(Date.now() - started < 3000);
    await until(async () => (await connections(redis)) === 0);
  }
});

fix('stop() waits for jobs in flight, and for their settlement in Redis', async (_, scene) => {
  const gate = new Gate();
  const connection = scene.connect();
  const heard = await scene.hear(keys.channel(scene.stream, '*'));
  const consumer = await scene.play(() => gate.opened, { connection });
  const errors = scene.errors(consumer);
  await scene.add('job-1');
  await until(async () => (await scene.pending()) === 1);
  let isStopped = false;
  const stopped = connection.stop().then(() => {
    isStopped = true;
  });
  await scene.add('job-2');
  await until(async () => (await scene.length()) === 2);
  assert.strictEqual(isStopped, false);
  gate.open();
  await stopped;
  await until(() => heard.length > 0);
  assert.deepStrictEqual([heard.length, await scene.pending(), errors], [1, 0, []]);
});

fix('stop waits no longer than maxWait, and then resolves', async (_, scene) => {
  const connection = scene.connect();
  await scene.play(() => new Promise(() => {}), { connection });
  await scene.add('job-1');
  await until(async () => (await scene.pending()) === 1);
  const started = Date.now();
  await connection.stop({ maxWait: 80 });
  const took = Date.now() - started;
  assert.ok(took >= 75 && took < 5000, `${took} ms`);
});

for (const [what, befall] of [
  ['is gone', (redis) => redis.crash()],
  ['says nothing', (redis) => redis.freeze()],
]) {
  fix(`stop without maxWait waits for jobs, but not for a Redis that ${what}`, async (_, scene) => {
    const redis = await scene.server();
    const connection = scene.connect({ ...redis.options, maxRetriesPerRequest: null });
    const gate = new Gate();
    let told;
    const consumer = await scene.play(
      async (job) => {
        await gate.opened;
        told = await job.resolve().catch(({ code }) => code);
      },
      { connection },
    );
    const other = await scene.play(() => {}, { connection, stream: scene.name('stream') });
    await scene.add('job-1', { redis });
    await until(async () => (await scene.pending({ redis })) === 1);
    befall(redis);
    let isStopped = false;
    const stopped = connection.stop().then(() => {
      isStopped = true;
    });
    await stays(() => !isStopped, 200);
    gate.open();
    await stopped;
    assert.strictEqual(told, 'CONNECTION_CLOSED');
    await Promise.all([consumer, other].map((one) => one.pause()));
  });
}

fix('stop() sends QUIT on all connections at once', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const clients = Array.from({ length: 10 }, (_, at) => connection.getClient(`client-${at}`));
  await Promise.all(clients.map((client) => client.call('PING')));
  redis.freeze();
  const started = performance.now();
  await connection.stop();
  const took = performance.now() - started;
  // Two seconds each.
  assert.ok(took < 10000, `${took} ms`);
});

fix(
  'B-071 a settlement after the bus was stopped rejects, and the deadline of its job crashes nothing',
  async (_, scene) => {
    const gate = new Gate();
    const connection = scene.connect();
    let [begun, told] = [false];
    const consumer = await scene.play(
      async (job) => {
        begun = true;
        await gate.opened;
        told = await job.resolve().catch(({ code }) => code);
      },
      { connection, deadline: 20 },
    );
    const errors = scene.errors(consumer);
    await scene.add('job-1');
    await until(() => begun);
    await connection.stop({ force: true });
    await stays(() => errors.length === 0, 60);
    gate.open();
    await until(() => told);
    assert.deepStrictEqual([told, errors], ['CONNECTION_CLOSED', []]);
  },
);

fix('B-071 rethrowing the error of a settlement after stop() is an UNHANDLED_JOB_ERROR', async (_, scene) => {
  const gate = new Gate();
  const connection = scene.connect();
  let begun = false;
  const consumer = await scene.play(
    async (job) => {
      begun = true;
      await gate.opened;
      await job.resolve();
    },
    { connection },
  );
  const errors = scene.errors(consumer);
  await scene.add('job-1');
  await until(() => begun);
  await connection.stop({ force: true });
  gate.open();
  await until(() => errors.length > 0);
  assert.deepStrictEqual(
    errors.map(({ code, message, job }) => [code, message, job.id]),
    [['UNHANDLED_JOB_ERROR', 'Connection is closed.', 'job-1']],
  );
});

for (const [how, end] of Object.entries({ finishes: () => {}, fails: () => Promise.reject(new Error('mine')) })) {
  fix(`B-071 a job that ${how} after its bus was stopped is a REJECT_JOB_ERROR`, async (_, scene) => {
    const gate = new Gate();
    const connection = scene.connect();
    const consumer = await scene.play(() => gate.opened.then(end), { connection });
    const errors = scene.errors(consumer);
    await scene.add('job-1');
    await until(async () => (await scene.pending()) === 1);
    await connection.stop({ maxWait: 20 });
    gate.open();
    await until(() => errors.length > 0);
    assert.deepStrictEqual(
      errors.map(({ code, message, job }) => [code, message, job.id]),
      [['REJECT_JOB_ERROR', 'Connection is closed.', 'job-1']],
    );
    assert.strictEqual(await scene.pending(), 1);
  });
}

fix('a wait that can never end rejects when the bus is stopped', async (_, scene) => {
  const connection = scene.connect();
  const producer = scene.producer(connection);
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['nobody'] });
  const rejected = assert.rejects(job.finished(), { code: 'CONNECTION_CLOSED' });
  await connection.stop();
  await rejected;
});

fix('B-111 calls in the tick of stop() open connections that the next stop() closes', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const producer = scene.producer(connection);
  for (let round = 0; round < 5; round++) {
    await producer.job().set('a', round).push();
    const stopped = connection.stop();
    const job = producer.job();
    // Refused or carried out, but never lost without a word.
    await job
      .set('a', round)
      .push()
      .catch((error) => assert.strictEqual(error.code, 'CONNECTION_CLOSED'));
    await stopped;
  }
  await producer.job('last').set('a', 1).push();
  assert.strictEqual(await redis.call('GET', keys.payload('last', 'a')), '1');
  await connection.stop();
  await until(async () => (await connections(redis)) === 0);
});

fix('B-020 a job of a stopped bus works again, on new connections', async (_, scene) => {
  const connection = scene.connect();
  const job = scene.producer(connection).job();
  await job.set('a', 1).push();
  await connection.stop();
  assert.deepStrictEqual(await job.get('a', false).pull(), { a: 1 });
});

fix('B-110 a restart of Redis opens each connection again once, and stop() closes them all', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const producer = scene.producer(connection);
  await producer.listen();
  await scene.play(async () => {}, { connection });
  const run = async () => {
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
    await job.finished(8000);
  };
  await run();
  const before = await connections(redis);
  for (let round = 0; round < 3; round++) {
    await redis.restart();
    await run();
    await until(async () => (await connections(redis)) === before);
  }
  await connection.stop();
  await until(async () => (await connections(redis)) === 0);
});

const HOW = {
  idle: {},
  'with maxWait': { maxWait: 100 },
  forced: { force: true },
};

for (const [how, options] of Object.entries(HOW)) {
  fix(`B-108 the process ends after stop: ${how}`, async (_, scene) => {
    const child = scene.child(
      ({ hfxbus, options, data, print }) => {
        const connection = hfxbus.ConnectionManager.standalone(options);
        const consumer = new hfxbus.Consumer(connection, { group: 'g' });
        const producer = new hfxbus.Producer(connection);
        consumer.process({ stream: data.stream, processor: () => (data.hangs ? new Promise(() => {}) : undefined) });
        const main = async () => {
          await producer.listen();
          await consumer.play();
          const sent = await producer.send({ stream: data.stream, job: producer.job(), waitFor: ['g'] });
          if (!data.hangs) await sent.finished();
          await connection.stop(data.stop);
          print('stopped');
        };
        main();
      },
      { data: { stream: scene.stream, stop: options, hangs: how !== 'idle' } },
    );
    await child.says('stopped');
    const { code } = await child.exit();
    assert.deepStrictEqual([code, child.isTimedOut, child.stdout, child.stderr], [0, false, '', '']);
  });
}

fix('B-108 the process ends after stop(), in any state of Redis', async (_, scene) => {
  const frozen = await scene.server();
  const ports = { down: await freePort(), frozen: frozen.port };
  frozen.freeze();
  for (const [name, port] of Object.entries(ports)) {
    for (const stop of [{ maxWait: 200 }, { force: true }]) {
      const child = scene.child(
        ({ hfxbus, options, data, print }) => {
          const connection = hfxbus.ConnectionManager.standalone(options);
          const consumer = new hfxbus.Consumer(connection, { group: 'g' });
          const producer = new hfxbus.Producer(connection);
          consumer.process({ stream: 's', processor: () => {} });
          const ends = [producer.listen(), consumer.play(), producer.job().set('a', 1).push()];
          ends.push(producer.send({ stream: 's', job: producer.job() }));
          const outcomes = Promise.allSettled(ends);
          setImmediate(async () => {
            await connection.stop(data);
            print('stopped');
            print('outcomes', ...(await outcomes).map(({ reason }) => reason?.code));
          });
        },
        { data: stop, options: { port, host: '127.0.0.1' } },
      );
      await child.says('stopped');
      const outcomes = await child.says('outcomes');
      assert.deepStrictEqual(outcomes, Array(4).fill('CONNECTION_CLOSED'), `${name} ${JSON.stringify(stop)}`);
      const { code } = await child.exit();
      assert.deepStrictEqual([code, child.stdout, child.stderr], [0, '', '']);
    }
  }
});
