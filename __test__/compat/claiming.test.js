'use strict';

const assert = require('node:assert');
const { fix, ours } = require('../support/cases.js');
const { Gate } = require('../support/latch.js');
const { keys } = require('../support/keys.js');
const { strand } = require('../support/stranded.js');
const { stays, until } = require('../support/wait-until.js');

const EAGER = { claimInterval: 40, claimDeadline: 150 };

/** The rows of XPENDING: id, owner, idle, deliveries. */
function pendingRows(scene, stream = scene.stream) {
  return scene.redis.call('XPENDING', keys.stream(stream), keys.group(scene.group), '-', '+', 1000);
}

fix('B-090 entries of a consumer that is gone are claimed, run and acknowledged', async (_, scene) => {
  const [id] = await strand(scene, ['job-1']);
  const seen = [];
  const claimed = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), EAGER);
  consumer.on('claimed', (entry) => claimed.push(entry));
  await until(() => seen.length === 1 && claimed.length === 1);
  await until(async () => (await scene.pending()) === 0);
  const [{ idleTime, ...entry }] = claimed;
  assert.ok(idleTime >= 150);
  assert.deepStrictEqual(entry, {
    id,
    consumerId: 'gone',
    deliveryCount: 2,
    stream: keys.stream(scene.stream),
    data: { prd: 'nobody', job: 'job-1' },
  });
});

fix('B-090 a blocked read does not delay claiming', async (_, scene) => {
  await strand(scene, ['job-1']);
  const started = Date.now();
  const seen = [];
  await scene.play(async (job) => seen.push(job.id), { ...EAGER, blockTimeout: 60000 });
  await until(() => seen.length === 1);
  assert.ok(Date.now() - started < 5000);
});

fix('B-093 no more entries are claimed than slots are free, for any page size', async (_, scene) => {
  for (const claimPageSize of [1, 3, 100, 2 ** 32]) {
    const [stream, gate] = [scene.name('stream'), new Gate()];
    const jobs = Array.from({ length: 12 }, (_, index) => `job-${index}`);
    await strand(scene, jobs, { stream });
    const seen = [];
    let [running, most] = [0, 0];
    const processor = async (job) => {
      most = Math.max(most, ++running);
      await gate.opened;
      running--;
      seen.push(job.id);
    };
    // A long deadline keeps what is claimed once from being claimed again.
    const consumer = await scene.play(processor, {
      stream,
      claimInterval: 20,
      claimDeadline: 100,
      claimPageSize,
      concurrency: 4,
    });
    await until(() => running === 4);
    const rows = await pendingRows(scene, stream);
    assert.strictEqual(rows.filter(([, owner]) => owner === consumer.id).length, 4);
    gate.open();
    await until(() => seen.length === 12);
    assert.deepStrictEqual([most, seen.sort()], [4, jobs.sort()]);
    await consumer.pause();
  }
});

fix('B-094 a job that fails runs retryLimit times in all, and is then reported once', async (_, scene) => {
  let runs = 0;
  const exhausted = [];
  const errors = [];
  const consumer = await scene.play(
    async () => {
      runs++;
      throw new Error('again');
    },
    { ...EAGER, retryLimit: 3 },
  );
  consumer.on('exhausted', (entry) => exhausted.push(entry));
  consumer.on('error', (error) => errors.push(error));
  const id = await scene.add('job-1');
  await until(() => exhausted.length === 1);
  const monitor = await scene.monitor();
  await until(async () => (await monitor.named('XPENDING')).length >= 5);
  assert.deepStrictEqual([runs, exhausted.length, errors], [3, 1, []]);
  assert.deepStrictEqual(
    { ...exhausted[0], idleTime: 0 },
    {
      id,
      consumerId: consumer.id,
      idleTime: 0,
      deliveryCount: 3,
      stream: keys.stream(scene.stream),
      data: { prd: 'nobody', job: 'job-1' },
      moved: false,
    },
  );
  assert.deepStrictEqual(
    (await pendingRows(scene)).map(([entry, , , deliveries]) => [entry, deliveries]),
    [[id, 3]],
  );
});

fix('B-094 entries that other consumers exhausted are reported once, and do not run', async (_, scene) => {
  const [id] = await strand(scene, ['job-1']);
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  await scene.redis.call('XCLAIM', key, group, 'gone', 0, id, 'RETRYCOUNT', 7, 'JUSTID');
  const exhausted = [];
  let runs = 0;
  const consumer = await scene.play(async () => runs++, EAGER);
  consumer.on('exhausted', ({ id, consumerId, deliveryCount }) => exhausted.push({ id, consumerId, deliveryCount }));
  await until(() => exhausted.length > 0);
  const monitor = await scene.monitor();
  await until(async () => (await monitor.named('XPENDING')).length >= 5);
  assert.deepStrictEqual([runs, exhausted], [0, [{ id, consumerId: 'gone', deliveryCount: 7 }]]);
});

fix('B-093 a consumer never claims a job that it runs itself, for any duration', async (_, scene) => {
  const gate = new Gate();
  let runs = 0;
  const consumer = await scene.play(
    async () => {
      runs++;
      await gate.opened;
    },
    { ...EAGER, claimDeadline: 0, concurrency: 4 },
  );
  const claimed = [];
  consumer.on('claimed', (entry) => claimed.push(entry));
  await scene.add('job-1');
  await until(() => runs === 1);
  const monitor = await scene.monitor();
  await until(async () => (await monitor.named('XPENDING')).length >= 5);
  assert.deepStrictEqual([runs, claimed], [1, []]);
  gate.open();
  await until(async () => (await scene.pending()) === 0);
});

ours(
  'a job that runs for long is not claimed by another consumer, even while the event loop is blocked',
  async (_, scene) => {
    // Leases are renewed several times in it; the rest is for a busy machine.
    const claimDeadline = 900;
    let others = 0;
    const child = scene.child(
      ({ hfxbus, options, data, print }) => {
        const connection = hfxbus.ConnectionManager.standalone(options);
        const consumer = new hfxbus.Consumer(connection, { group: data.group, claimDeadline: data.claimDeadline });
        const processor = async () => {
          print('started');
          const until = Date.now() + 2 * data.claimDeadline;
          while (Date.now() < until);
          await new Promise((resolve) => setTimeout(resolve, 1.2 * data.claimDeadline));
          print('ended');
        };
        consumer.process({ stream: data.stream, processor });
        consumer.play().then(() => print('plays'));
      },
      { data: { stream: scene.stream, group: scene.group, claimDeadline } },
    );
    await child.says('plays');
    await scene.add('job-1');
    await child.says('started');
    await scene.play(async () => others++, { claimInterval: 20, claimDeadline });
    await child.says('ended');
    await until(async () => (await scene.pending()) === 0);
    assert.strictEqual(others, 0);
  },
);

fix('B-093 entries that were deleted or trimmed are acknowledged and counted', async (_, scene) => {
  const ids = await strand(scene, ['a', 'b', 'c', 'd']);
  await scene.redis.call('XDEL', keys.stream(scene.stream), ids[0], ids[2]);
  const seen = [];
  const trimmed = [];
  const consumer = await scene.play(async (job) => seen.push(job.id), { ...EAGER, concurrency: 9 });
  consumer.on('trimmed', (event) => trimmed.push(event));
  await until(async () => (await scene.pending()) === 0);
  await until(() => trimmed.length > 0);
  assert.deepStrictEqual(seen.sort(), ['b', 'd']);
  assert.deepStrictEqual(trimmed, [{ stream: scene.stream, count: 2, pending: true }]);
});

ours('claims get slots even if new entries always arrive', async (_, scene) => {
  await strand(scene, ['stranded']);
  const seen = new Set();
  let sent = 0;
  const consumer = await scene.play(
    async (job) => {
      seen.add(job.id);
      // One more for each, so that the stream never runs dry.
      await scene.add(`fresh-${sent++}`);
    },
    { ...EAGER, claimDeadline: 0, fromId: '0' },
  );
  await scene.add(`fresh-${sent++}`);
  await until(() => seen.has('stranded'));
  await consumer.pause();
});

ours('with backoff a rejected job is due after its back-off, not after claimDeadline', async (_, scene) => {
  const runs = [];
  const backoff = { type: 'exponential', delay: 60, max: 100 };
  await scene.play(
    async () => {
      runs.push(Date.now());
      throw new Error('again');
    },
    { claimInterval: 10, claimDeadline: 60000, retryLimit: 4, backoff },
  );
  await scene.add('job-1');
  await until(() => runs.length === 4);
  const waits = runs.slice(1).map((at, index) => at - runs[index]);
  assert.ok(waits[0] >= 55 && waits[1] >= 95 && waits[2] >= 95, `${waits}`);
});

ours('a back-off longer than claimDeadline is kept too', async (_, scene) => {
  const runs = [];
  await scene.play(
    async () => {
      runs.push(Date.now());
      throw new Error('again');
    },
    { claimInterval: 10, claimDeadline: 60, retryLimit: 2, backoff: { type: 'fixed', delay: 400 } },
  );
  await scene.add('job-1');
  await until(() => runs.length === 2);
  assert.ok(runs[1] - runs[0] >= 390, `${runs[1] - runs[0]} ms`);
});

ours(
  'a consumer does not claim its own delayed retry before it is due, even if its lease has lapsed',
  async (_, scene) => {
    const [runs, claims] = [[], []];
    const options = { id: 'mine', claimInterval: 10, claimDeadline: 300, backoff: { type: 'fixed', delay: 900 } };
    const consumer = await scene.play(async () => {
      runs.push(performance.now());
      if (runs.length === 1) throw new Error('again');
    }, options);
    consumer.on('claimed', () => claims.push(performance.now()));
    const id = await scene.add('job-1');
    await until(() => runs.length === 1);
    const [stream, group] = [keys.stream(scene.stream), keys.group(scene.group)];
    // As if the renewals of the lease came too late.
    const lapse = () => scene.redis.call('XCLAIM', stream, group, 'mine', 0, id, 'IDLE', 60000, 'JUSTID');
    await stays(async () => (await lapse()) && runs.length === 1, 500);
    await until(() => runs.length === 2);
    assert.ok(runs[1] - runs[0] >= 890, `${runs[1] - runs[0]} ms`);
    await until(async () => (await scene.pending()) === 0);
    assert.strictEqual(claims.length, 1);
  },
);

for (const how of ['class', 'property', 'reject()']) {
  ours(`an unrecoverable error is not retried: ${how}`, async (_, scene) => {
    let runs = 0;
    const exhausted = [];
    const processor = async (job) => {
      runs++;
      if (how === 'class') throw new scene.hfxbus.UnrecoverableError('no use');
      const error = Object.assign(new Error('no use'), { retry: false });
      if (how === 'property') throw error;
      await job.reject(error);
    };
    const consumer = await scene.play(processor, EAGER);
    consumer.on('exhausted', ({ deliveryCount, moved }) => exhausted.push({ deliveryCount, moved }));
    await scene.add('job-1');
    await until(() => exhausted.length === 1);
    const monitor = await scene.monitor();
    await until(async () => (await monitor.named('XPENDING')).length >= 5);
    assert.deepStrictEqual([runs, exhausted], [1, [{ deliveryCount: 1, moved: false }]]);
    assert.deepStrictEqual(
      (await pendingRows(scene)).map(([, , , deliveries]) => deliveries),
      [3],
    );
  });
}

ours('times beyond the range of all clocks mean never, for every option', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, data: { stream, times, jobs }, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const producer = new hfxbus.Producer(connection);
      for (const time of times) {
        const all = { claimInterval: time, claimDeadline: time, blockTimeout: time };
        const backoff = { type: 'exponential', delay: time, max: time };
        const consumer = new hfxbus.Consumer(connection, { group: `g-${time}`, ...all, backoff });
        const seen = [];
        const processor = async (job) => {
          if (seen.push(job.id) === 1) throw new Error('mine');
        };
        consumer.process({ stream, processor, deadline: 5000 });
        consumer.process({ stream: `${stream}-other`, processor, deadline: time });
        consumer.on('error', ({ message }) => print('error', message));
        await consumer.play();
        for (const job of jobs) await producer.send({ stream, job: producer.job(job) });
        while (seen.length < jobs.length) await new Promise(setImmediate);
        await consumer.pause();
        print('seen', ...seen);
      }
      await connection.stop();
    },
    { data: { stream: scene.stream, times: [1e15, 1e22, 1e300], jobs: ['job-1', 'job-2', 'job-3'] } },
  );
  const { code } = await child.exit();
  const seen = ['seen', 'job-1', 'job-2', 'job-3'];
  assert.deepStrictEqual([code, child.stderr, child.printed], [0, '', [seen, seen, seen]]);
});

ours('an unreadable entry is reported as exhausted once it can be read', async (_, scene) => {
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const consumer = scene.consumer({ ...EAGER, retryLimit: 1 }, connection);
  consumer.process({ stream: scene.stream, processor: async () => {} });
  const errors = scene.errors(consumer);
  const exhausted = [];
  consumer.on('exhausted', (entry) => exhausted.push(entry.id));
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  await redis.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM');
  const id = await scene.add('job-1', { redis });
  await redis.call('XREADGROUP', 'GROUP', group, 'gone', 'STREAMS', key, '>');
  await redis.call('ACL', 'SETUSER', 'default', '-xrange');
  await consumer.play();
  await until(() => errors.length === 1);
  assert.deepStrictEqual([errors[0].message.split(' ')[0], exhausted], ['NOPERM', []]);
  await redis.call('ACL', 'SETUSER', 'default', '+xrange');
  await until(() => exhausted.length > 0);
  await stays(() => exhausted.length === 1, 300);
  assert.deepStrictEqual(exhausted, [id]);
});

ours(
  'a search through many streams waits for a slot only once, and each of the streams can use that slot',
  async (_, scene) => {
    const streams = Array.from({ length: 40 }, () => scene.name('stream'));
    const ending = new Gate();
    const seen = [];
    const consumer = scene.consumer({ claimInterval: 100, claimDeadline: 150 });
    const processor = async (job) => {
      seen.push(job.id);
      if (job.id === 'long') await ending.opened;
    };
    for (const stream of [scene.stream, ...streams]) consumer.process({ stream, processor });
    await consumer.play();
    await scene.add('long');
    await until(() => seen.length === 1);
    const stranded = [streams[5], streams[20], streams[39]];
    for (const stream of stranded) await strand(scene, [`job-${stream}`], { stream });
    const monitor = await scene.monitor();
    const asked = async () => new Set((await monitor.named('XPENDING')).map(([, key]) => key)).size;
    await until(async () => (await asked()) > 0);
    const started = performance.now();
    await until(async () => (await asked()) === streams.length + 1);
    const took = performance.now() - started;
    // Forty times the interval otherwise.
    assert.ok(took < 2500, `${took} ms`);
    ending.open();
    await until(() => seen.length === 1 + stranded.length);
  },
);
