'use strict';

const assert = require('node:assert');

/** Number of streams, whose first sends wait, and of the sends to each that go behind them. */
const STREAMS = 20;
const SENDS = 20;

/** Returns the ids of the jobs of a stream in Redis, in their order. */
async function jobsIn({ redis }, key) {
  const entries = await redis.call('XRANGE', key, '-', '+');
  return entries.map(([, fields]) => fields[fields.indexOf('job') + 1]);
}

/**
 * Asserts that sends keep their order while the first ones wait for a reply of Redis. The later ones are called in the microtasks
 * behind another reply, which comes about when that one does. So some are called between the reply and the first sends.
 * @param {object} scene
 * @param {object} connection
 * @param {{ jobsIn: (stream: string) => Promise<string[]>, options?: object }} about options of `send()`
 */
async function sendsKeepOrder(scene, connection, { jobsIn: readJobs, options = {} }) {
  const producer = scene.producer(connection);
  const client = connection.getClient('order');
  for (let round = 0; round < STREAMS; round++) {
    const stream = scene.name('ordered');
    const [names, sends] = [[], []];
    const send = () => {
      const name = `job-${names.length}`;
      names.push(name);
      sends.push(producer.send({ stream, job: producer.job(name), ...options }));
    };
    const later = client.ping().then(async () => {
      for (let at = 0; at < SENDS; at++) {
        send();
        await undefined;
      }
    });
    for (let at = 0; at < 5; at++) send();
    await later;
    await Promise.all(sends);
    assert.deepStrictEqual(await readJobs(stream), names);
  }
}

module.exports = { jobsIn, sendsKeepOrder };
