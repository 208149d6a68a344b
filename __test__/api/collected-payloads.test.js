'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');

/* Young objects must not be kept by old ones: they would fill old space until the next full collection. */

/** Maximum growth of old space for a job, in bytes. A payload that stays there takes about 400. */
const MOST = 100;
const JOBS = 20_000;
/** Count of measurements. A full collection makes one of them small. */
const PARTS = 9;

ours('payloads of finished jobs are not kept until the next full collection', async (_, scene) => {
  const data = { stream: scene.stream, group: scene.group, file: scene.subject.file, jobs: JOBS / PARTS, parts: PARTS };
  const child = scene.child(
    async ({ options, data, print }) => {
      const { getHeapSpaceStatistics } = require('node:v8');
      const { ConnectionManager, Consumer, Producer } = require(data.file);
      const { stream, group } = data;
      const connection = ConnectionManager.standalone(options);
      const consumer = new Consumer(connection, { group, concurrency: 16 });
      const processor = async (job) => {
        await job.get('inbound').pull();
      };
      consumer.process({ stream, processor });
      await consumer.play();
      const producer = new Producer(connection);
      await producer.listen();
      const run = async (jobs) => {
        let left = jobs;
        const work = async () => {
          while (left-- > 0) {
            const job = producer.job().set('inbound', Buffer.alloc(64));
            await producer.send({ stream, job, waitFor: [group] });
            await job.finished();
          }
        };
        await Promise.all(Array.from({ length: 16 }, work));
      };
      const used = () => getHeapSpaceStatistics().find((one) => one.space_name === 'old_space').space_used_size;
      await run(data.jobs * 2);
      global.gc();
      // Old space grows by the objects of the first collections once.
      await run(data.jobs * 2);
      for (let part = 0; part < data.parts; part++) {
        const before = used();
        await run(data.jobs);
        print((used() - before) / data.jobs);
      }
      await connection.stop();
    },
    { data, flags: ['--expose-gc'] },
  );
  const { code } = await child.exit();
  assert.deepStrictEqual([code, child.stderr], [0, '']);
  const growths = child.printed.map(([growth]) => growth).sort((a, b) => a - b);
  const growth = growths[(PARTS - 1) / 2];
  assert.ok(growth < MOST, `old space has grown by ${growth} bytes for each job`);
});
