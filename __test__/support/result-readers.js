'use strict';

/** Sends a job that is awaited from the case's group. */
async function sent(scene, producer, options) {
  return producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group], ...options });
}

/** A reader of a result whose values can be looked at. */
function follow(results) {
  const chunks = [];
  const failure = (async () => {
    for await (const chunk of results) chunks.push(chunk);
    return null;
  })().catch((error) => error);
  return { chunks, failure, values: () => chunks.map(({ value }) => value) };
}

const upTo = (count) => Array.from({ length: count }, (_, value) => value);

/** Emits numbers until a condition holds, and a few after that. */
async function emitUntil(job, condition) {
  let value = 0;
  while (!condition()) await job.emit(value++);
  for (let more = 0; more < 5; more++) await job.emit(value++);
  return value;
}

/**
 * Starts a process whose consumer emits some values in each run, and does not end it. The process prints a line once it plays, and
 * one behind the values of each run.
 */
function emitAndHang(scene, { id, values, startupNodes, partitions }) {
  return scene.child(
    async ({ hfxbus, options, data, print }) => {
      const { ConnectionManager } = hfxbus;
      const connection = data.startupNodes
        ? ConnectionManager.cluster(data.startupNodes)
        : ConnectionManager.standalone(options);
      const consumer = new hfxbus.Consumer(connection, { group: data.group, id: data.id });
      consumer.process({
        stream: data.stream,
        partitions: data.partitions,
        processor: async (job) => {
          for (const value of data.values) await job.emit(value);
          print('emitted');
          await new Promise((resolve) => setTimeout(resolve, 60_000));
        },
      });
      await consumer.play();
      print('plays');
    },
    { data: { stream: scene.stream, group: scene.group, id, values, startupNodes, partitions } },
  );
}

module.exports = { emitAndHang, emitUntil, follow, sent, upTo };
