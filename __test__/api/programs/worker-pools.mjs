/* A consumer that hands jobs to a pool of worker threads. It prints the outcomes of the jobs, and the numbers of its threads. */

import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, threadId } from 'node:worker_threads';

const { createWorkerPool, exposeWorker } = createRequire(import.meta.url)('hfxworker');
const THREADS = 10;
/** Maximum time of a job that does not end, in ms: enough for the start of a thread on a busy machine. */
const DEADLINE = 1500;

const threads = () => (existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : 0);

function fibonacci(n) {
  if (n === 'spin') for (;;);
  // A computation without an end that takes no time of the other threads of this test.
  if (n === 'forever') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (n === 'crash') process.exit(3);
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/** The method of a thread of piscina. */
export default (n) => ({ result: fibonacci(n), thread: threadId });

/** hfxworker: an abort destroys the thread, and the pool starts another one. */
function ofHfxworker() {
  const pool = createWorkerPool(fileURLToPath(import.meta.url), { min: THREADS, max: THREADS });
  const made = new Set();
  return {
    async run(n, signal) {
      const worker = await pool.acquire();
      made.add(worker.threadId);
      let isWhole = false;
      const ending = new AbortController();
      try {
        signal.throwIfAborted();
        const lost = once(worker, 'exit', { signal: ending.signal }).then(() => {
          throw new Error('the thread has ended');
        });
        const aborted = once(signal, 'abort', { signal: ending.signal }).then(() => signal.throwIfAborted());
        for (const other of [lost, aborted]) other.catch(() => {});
        const id = `${worker.threadId}-${Math.random()}`;
        const { data } = await Promise.race([worker.waitMessage('fibonacci', { id, data: { n } }), lost, aborted]);
        isWhole = true;
        return data;
      } finally {
        ending.abort();
        await (isWhole ? pool.release(worker) : pool.destroy(worker));
      }
    },
    made: () => made.size,
    async close() {
      await pool.drain();
      await pool.clear();
    },
  };
}

/** piscina: an abort ends the thread by itself. */
async function ofPiscina() {
  const { Piscina } = await import('piscina');
  const made = new Set();
  const pool = new Piscina({ filename: import.meta.url, minThreads: THREADS, maxThreads: THREADS });
  pool.on('workerCreate', (worker) => made.add(worker.id));
  return {
    run: (n, signal) => {
      for (const { threadId: id } of pool.threads) made.add(id);
      return pool.run(n, { signal });
    },
    made: () => made.size,
    close: () => pool.destroy(),
  };
}

async function main([file, url, kind, count]) {
  const { ConnectionManager, Consumer, Producer } = createRequire(import.meta.url)(file);
  const connection = ConnectionManager.standalone(url);
  const before = threads();
  const pool = await (kind === 'piscina' ? ofPiscina() : ofHfxworker());
  const consumer = new Consumer(connection, { group: 'pool', concurrency: THREADS });
  const processor = async (job) => {
    const { n } = await job.get('n', false).pull();
    job.set('answer', await pool.run(n, job.signal), 60_000);
  };
  consumer.process({ stream: 'sums', processor });
  consumer.process({ stream: 'endless', processor, deadline: DEADLINE });
  await consumer.play();
  const producer = new Producer(connection);
  const run = async (stream, n) => {
    const job = producer.job().set('n', n);
    await producer.send({ stream, job, waitFor: ['pool'], returns: ['answer'] });
    const { pool: outcome } = await job.finished();
    if (!(outcome instanceof Date)) return outcome.code ?? outcome.message;
    return (await job.get('answer', false).pull()).answer.result;
  };
  const many = (length, ...job) => Promise.all(Array.from({ length }, () => run(...job)));
  const first = await run('sums', 10);
  const crashes = await many(Number(count), 'sums', 'crash');
  const during = threads();
  const endless = (await Promise.all([run('endless', 'spin'), many(THREADS - 1, 'endless', 'forever')])).flat();
  const last = await many(THREADS, 'sums', 10);
  await connection.stop({ maxWait: 5000 });
  const made = pool.made();
  await pool.close();
  const end = Date.now() + 5000;
  // A terminated thread ends a moment later.
  while (threads() > before && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  const ends = (outcomes) => [...new Set(outcomes)];
  const jobs = { first, crashes: ends(crashes), endless: ends(endless), last: ends(last) };
  console.log(JSON.stringify({ ...jobs, made, before, during, after: threads() }));
}

if (isMainThread) await main(process.argv.slice(2));
else if (parentPort !== null) {
  exposeWorker({ fibonacci: async ({ data }) => ({ data: { result: fibonacci(data.n), thread: threadId } }) });
}
