'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

ours(
  'twenty worker threads start and end under load: no crash, no thread left, and the process ends',
  async (_, scene) => {
    const child = scene.child(
      async ({ hfxbus, options, data, print }) => {
        const { existsSync, readdirSync } = require('node:fs');
        const { once } = require('node:events');
        const { Worker } = require('node:worker_threads');
        const threads = () => (existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : 0);
        // Endless loop of every worker: it sends jobs, runs them, and receives their completions.
        const work = async ({ file, options, stream }) => {
          const { ConnectionManager, Consumer, Producer } = require(file);
          const connection = ConnectionManager.standalone(options);
          const producer = new Producer(connection);
          const { parentPort, threadId } = require('node:worker_threads');
          const [mine, group] = [`${stream}-${threadId}`, `group-${threadId}`];
          const consumer = new Consumer(connection, { group, concurrency: 8 });
          consumer.process({ stream: mine, processor: (job) => job.get('a').pull() });
          await consumer.play();
          await producer.listen();
          let isAnnounced = false;
          const one = async () => {
            const job = producer.job();
            await job.set('a', Buffer.alloc(1000)).push();
            await producer.send({ stream: mine, job, waitFor: [group], capped: 100 });
            await job.finished();
            if (!isAnnounced) parentPort.postMessage('busy');
            isAnnounced = true;
            setImmediate(one);
          };
          for (let index = 0; index < 16; index++) one();
        };
        const given = { file: data.file, options, stream: data.stream };
        const run = () => {
          const worker = new Worker(`(${work})(${JSON.stringify(given)})`, { eval: true });
          return { worker, busy: once(worker, 'message') };
        };
        // The main thread has an engine of its own.
        const connection = hfxbus.ConnectionManager.standalone(options);
        await connection.getClient('mine').call('ping');
        const first = run();
        await first.busy;
        await first.worker.terminate();
        const before = threads();
        for (let round = 0; round < 5; round++) {
          const workers = Array.from({ length: 4 }, run);
          await Promise.all(workers.map(({ busy }) => busy));
          if (round === 0) print('during', threads());
          await Promise.all(workers.map(({ worker }) => worker.terminate()));
        }
        print('threads', before, threads());
        await connection.getClient('mine').call('ping');
        await connection.stop();
        print('stopped');
      },
      { data: { file: scene.subject.file, stream: scene.stream }, limit: 25000 },
    );
    const [during] = await child.says('during', 20000);
    const [before, after] = await child.says('threads', 20000);
    await child.says('stopped');
    const { code, signal } = await child.exit();
    assert.deepStrictEqual([code, signal, child.stdout, child.stderr], [0, null, '', '']);
    assert.ok(after <= before, `${before} threads before, ${after} after`);
    if (process.platform === 'linux') assert.ok(during >= before + 8, `${before} threads before, ${during} during`);
  },
);

ours('a worker that ends by itself after stop() does not keep the process alive', async (_, scene) => {
  const child = scene.child(
    ({ options, data, print }) => {
      const { Worker } = require('node:worker_threads');
      const work = async ({ file, options }) => {
        const connection = require(file).ConnectionManager.standalone(options);
        await connection.getClient('mine').call('ping');
        await connection.stop();
      };
      const worker = new Worker(`(${work})(${JSON.stringify({ file: data, options })})`, { eval: true });
      worker.on('exit', (code) => print('ended', code));
    },
    { data: scene.subject.file },
  );
  assert.deepStrictEqual(await child.says('ended'), [0]);
  assert.strictEqual((await child.exit()).code, 0);
});

const ENDS = {
  'process.exit': { end: () => process.exit(7), code: 7 },
  'an uncaught exception': {
    end: () =>
      setImmediate(() => {
        throw new Error('mine');
      }),
    code: 1,
  },
};

for (const [how, { end, code }] of Object.entries(ENDS)) {
  ours(`${how} inside of a processor ends the process at once`, async (_, scene) => {
    const child = scene.child(
      async ({ hfxbus, options, data, print }) => {
        const connection = hfxbus.ConnectionManager.standalone(options);
        const consumer = new hfxbus.Consumer(connection, { group: 'g', concurrency: 8 });
        // biome-ignore lint/security/noGlobalEval: it is the test's own text
        const end = eval(data.end);
        consumer.process({
          stream: data.stream,
          processor: () => {
            print('running');
            end();
            return new Promise(() => {});
          },
        });
        await consumer.play();
        const producer = new hfxbus.Producer(connection);
        for (let index = 0; index < 20; index++) producer.send({ stream: data.stream, job: producer.job() });
      },
      { data: { stream: scene.stream, end: `(${end})` } },
    );
    await child.says('running');
    const exited = await child.exit();
    assert.deepStrictEqual([exited.code, exited.signal, child.isTimedOut], [code, null, false]);
    await until(async () => !(await scene.redis.call('CLIENT', 'LIST')).includes('flags=b'));
  });
}

ours('values of a vm context are accepted: options, values, bytes, promises and errors', async (_, scene) => {
  const vm = require('node:vm');
  const context = vm.createContext({ hfxbus: scene.hfxbus, options: scene.redis.options, stream: scene.stream });
  const run = vm.runInContext(
    `(async () => {
      const connection = hfxbus.ConnectionManager.standalone({ ...options });
      const consumer = new hfxbus.Consumer(connection, { group: 'g', concurrency: 4 });
      consumer.process({ stream, processor: async (job) => {
        const { list } = await job.get('list', false).pull();
        if (list[0] === 2) throw new TypeError('from a context');
      } });
      await consumer.play();
      const producer = new hfxbus.Producer(connection);
      const outcomes = [];
      for (const list of [[1], [2]]) {
        const job = producer.job();
        await job.set('list', list).set('bytes', new Uint8Array([1, 2])).set('buffer', new ArrayBuffer(3)).push();
        await producer.send({ stream, job, waitFor: ['g'] });
        const { g } = await job.finished();
        const { bytes, buffer } = await job.get('bytes').get('buffer').pull();
        outcomes.push([g.message ?? 'fine', [...bytes], buffer.length]);
      }
      await connection.stop();
      return JSON.stringify(outcomes);
    })()`,
    context,
  );
  assert.deepStrictEqual(JSON.parse(await run), [
    ['fine', [1, 2], 3],
    ['from a context', [1, 2], 3],
  ]);
});
