'use strict';

const assert = require('node:assert');

/** Returns the beginning of the message of FINISH_TIMEOUT. */
const begin = (timeout) => `Timeouted while waiting to be finished: ${timeout}ms`;

/** Sends a job and waits too short for it. @returns {Promise<Error>} what that rejects with */
async function timesOut(
  scene,
  { waitFor = [scene.group], prepare, connection, stream = scene.stream, ...options } = {},
) {
  const producer = scene.producer(connection);
  const job = producer.job();
  if (prepare) prepare(job);
  await producer.send({ stream, job, waitFor, ...options });
  return unfinished(job);
}

async function unfinished(job, timeout = 30) {
  const error = await job.finished(timeout).then(
    () => assert.fail('it was finished'),
    (reason) => reason,
  );
  assert.ok(error.message.startsWith(begin(timeout)), error.message);
  assert.deepStrictEqual([error.code, error.errno, error.name], ['FINISH_TIMEOUT', 'FINISH_TIMEOUT', 'Error']);
  return error;
}

module.exports = { begin, timesOut, unfinished };
