'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');

const MIB = 1024 * 1024;
/** V8's longest string has 512 Mi units, less 24. */
const HALF_OF_THE_LONGEST = 270 * MIB;

/** The length of a payload key in Redis. */
function storedLength(scene, job, key) {
  return scene.redis.call('STRLEN', job.prefix(key));
}

ours('strings that together exceed the string limit of V8 are written whole', async (_, scene) => {
  const job = scene.producer(scene.connect({ maxQueuedBytes: Infinity })).job();
  const large = 'x'.repeat(HALF_OF_THE_LONGEST);
  await job.set('one', large).set('other', large).push();
  // With its quotes.
  assert.strictEqual(await storedLength(scene, job, 'one'), HALF_OF_THE_LONGEST + 2);
  assert.strictEqual(await storedLength(scene, job, 'other'), HALF_OF_THE_LONGEST + 2);
  await scene.redis.call('FLUSHALL');
});

ours('a call that exceeds the queue limit is rejected whole, and alone', async (_, scene) => {
  const producer = scene.producer();
  const client = scene.connection.getClient('mine');
  const large = 'x'.repeat(HALF_OF_THE_LONGEST);
  const [job, other] = [producer.job(), producer.job()];
  await job.set('a', 1).push();
  const refused = job.set('one', large).set('other', large).push();
  const written = other.set('a', 1).push();
  await assert.rejects(refused, { code: 'REQUEST_TOO_LARGE' });
  await written;
  assert.strictEqual(await scene.redis.call('EXISTS', job.prefix('one'), job.prefix('other')), 0);
  const set = ['set', 'a', large];
  const results = await client.pipeline([['ping'], set, set]).exec();
  assert.deepStrictEqual(
    results.map(([error]) => error?.code),
    ['REQUEST_TOO_LARGE', 'REQUEST_TOO_LARGE', 'REQUEST_TOO_LARGE'],
  );
  assert.strictEqual(await client.ping(), 'PONG');
});

ours('commands that exceed one packet leave in several packets, in order', async (_, scene) => {
  const client = scene.connect({ maxQueuedBytes: Infinity }).getClient('mine');
  const large = 'y'.repeat(HALF_OF_THE_LONGEST);
  const written = [client.set('a', large), client.set('b', large), client.strlen('a'), client.strlen('b')];
  const all = ['OK', 'OK', HALF_OF_THE_LONGEST, HALF_OF_THE_LONGEST];
  assert.deepStrictEqual(await Promise.all(written), all);
  // Redis takes no more than 512 MB in one value, and says so to this command alone.
  const results = await client
    .pipeline([
      ['append', 'a', large],
      ['strlen', 'b'],
    ])
    .exec();
  assert.match(String(results[0][0]), /exceeds maximum allowed size/);
  assert.deepStrictEqual(results[1], [null, HALF_OF_THE_LONGEST]);
  await scene.redis.call('FLUSHALL');
});

ours('six hundred pushes of a megabyte in one tick are all written', async (_, scene) => {
  const producer = scene.producer();
  const value = 'z'.repeat(MIB);
  const jobs = Array.from({ length: 600 }, () => producer.job());
  await Promise.all(jobs.map((job) => job.set('a', value).push()));
  for (const job of [jobs[0], jobs[599]]) assert.strictEqual(await storedLength(scene, job, 'a'), MIB + 2);
  await scene.redis.call('FLUSHALL');
});

ours('ids, keys and text beyond ASCII of many megabytes keep every character', async (_, scene) => {
  const producer = scene.producer();
  const long = 'ä€😀'.repeat(6 * MIB);
  const job = producer.job(`id${long}`);
  await job.set(`key${long}`, long).set('lone \ud800', '\udc00').push();
  const found = await job.get(`key${long}`, false).get('lone \ud800', false).pull();
  assert.strictEqual(found[`key${long}`], long);
  // JSON writes a lone surrogate as an escape.
  assert.strictEqual(found['lone \ud800'], '\udc00');
  await scene.redis.call('FLUSHALL');
});

ours('a call that throws while it is packed rejects alone; other calls of the tick continue', async (_, scene) => {
  const producer = scene.producer();
  const client = scene.connection.getClient('mine');
  const before = producer.job();
  const after = producer.job();
  const bad = producer.job();
  // A payload with a length that throws: neither JSON nor bytes lead to one, so it is put in place of the value.
  const { set } = Uint8Array.prototype;
  const typed = Object.getPrototypeOf(Uint8Array.prototype);
  const first = before.set('a', 1).push();
  const stacked = bad.set('a', Buffer.from('bytes')).set('b', Buffer.from('bytes'));
  typed.set = () => {
    throw new RangeError('no memory');
  };
  let refused;
  let called;
  try {
    refused = stacked.push();
    called = client.set('c', Buffer.from('bytes'));
  } finally {
    typed.set = set;
  }
  const last = after.set('a', 2).push();
  await assert.rejects(refused, /no memory/);
  await assert.rejects(called, /no memory/);
  await Promise.all([first, last]);
  assert.strictEqual(await scene.redis.call('EXISTS', bad.prefix('a'), bad.prefix('b'), 'c'), 0);
  assert.strictEqual((await after.get('a', false).pull()).a, 2);
  // Nothing is left of the rejected ones that stop() would wait for.
  await scene.connection.stop();
});

ours('a process ends after a call was rejected while it was packed', async (_, scene) => {
  const child = scene.child(async ({ hfxbus, options, print }) => {
    const connection = hfxbus.ConnectionManager.standalone(options);
    const job = new hfxbus.Producer(connection).job();
    const typed = Object.getPrototypeOf(Uint8Array.prototype);
    const { set } = typed;
    typed.set = () => {
      throw new RangeError('no memory');
    };
    const refused = job.set('a', Buffer.from('bytes')).push();
    typed.set = set;
    await refused.catch((error) => print(error.message));
    await job.set('a', 1).push();
    await connection.stop();
    print('stopped');
  });
  const { code } = await child.exit();
  assert.deepStrictEqual([code, child.stderr, child.printed], [0, '', [['no memory'], ['stopped']]]);
});

ours('a send that throws while it is packed rejects, and leaves no wait behind', async (_, scene) => {
  const producer = scene.producer();
  const text = 'x'.repeat(16);
  const job = producer.job(text);
  const { charCodeAt } = String.prototype;
  String.prototype.charCodeAt = function (at) {
    if (String(this) === text) throw new RangeError('no memory');
    return charCodeAt.call(this, at);
  };
  let refused;
  try {
    refused = producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  } finally {
    String.prototype.charCodeAt = charCodeAt;
  }
  await assert.rejects(refused, /no memory/);
  assert.strictEqual(job.finished, undefined);
  await producer.send({ stream: scene.stream, job });
  const { failed, sent, waiting } = await producer.stats();
  assert.deepStrictEqual({ failed, sent, waiting }, { failed: 1, sent: 1, waiting: 0 });
});
