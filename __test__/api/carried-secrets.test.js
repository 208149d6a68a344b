'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { hfxbus } = require('../support/command-line.js');
const { hear } = require('../support/hearing.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { until } = require('../support/wait-until.js');
const { visible } = require('../support/visible.js');

/* Payload values appear in no error, message, output or statistic. */

const SECRET = 's3cret-of-a-job';
const TOPICS = ['send', 'sent', 'receive', 'settle', 'claim', 'exhaust', 'trim', 'remove', 'connection'];
const CLAIMING = { claimInterval: 20, claimDeadline: 40, retryLimit: 2 };

/** Forms of the secret: as text, bytes, hexadecimal digits and Base64. */
const FORMS = [
  SECRET,
  [...Buffer.from(SECRET)].join(', '),
  Buffer.from(SECRET).toString('hex'),
  Buffer.from(SECRET).toString('hex').match(/../g).join(' '),
  Buffer.from(SECRET).toString('base64').slice(0, 16),
];

function assertHidden(what, text) {
  for (const form of FORMS) assert.ok(!text.includes(form), `${what}: ${text}`);
}

function withSecrets(job) {
  return job
    .set('text', SECRET)
    .set('bytes', Buffer.from(SECRET))
    .set('broken', Buffer.from(`${SECRET}\xff`, 'latin1'));
}

const NAMES = ['text', 'bytes', 'broken'];

/** Collects what a bus publishes, emits and reports; each is looked at when it appears. */
function observe(scene) {
  const seen = [];
  const note = (what, value) => seen.push([what, visible(value)]);
  for (const topic of TOPICS) {
    const messages = hear(scene, topic);
    messages.push = (message) => note(topic, message);
  }
  const watch = (emitter, ...events) => {
    for (const event of ['error', 'claimed', 'exhausted', 'trimmed', ...events]) {
      emitter.on(event, (...args) => note(event, args));
    }
    return emitter;
  };
  const refused = async (promise) => {
    const error = await promise.then(
      () => assert.fail('it was not refused'),
      (reason) => reason,
    );
    note(`error ${error.code ?? error.name}`, error);
  };
  return { seen, note, watch, refused };
}

ours('messages, events, errors and statistics show no carried value', async (_, scene) => {
  const { seen, note, watch, refused } = observe(scene);
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const deadLetter = scene.name('dead');
  const producer = watch(scene.producer(connection), scene.stream);
  await producer.listen(scene.stream);
  const options = { connection, deadLetter, ...CLAIMING };
  const consumer = watch(
    await scene.play(async (job) => {
      for (const name of NAMES) job.get(name).del(name);
      await job.pull();
      withSecrets(job);
      if (job.id.startsWith('fails')) throw new Error('no');
    }, options),
  );
  const wait = { stream: scene.stream, waitFor: [scene.group], returns: NAMES };
  for (const id of ['works', 'fails']) {
    for (const payload of ['keys', 'entry']) {
      for (const durable of [false, true]) {
        const job = producer.job(`${id}-${payload}-${durable}`);
        await producer.send({ ...wait, job: withSecrets(job), payload, durable });
        note('completions', await job.finished());
        note('job', job);
      }
    }
  }
  await until(async () => (await scene.length(deadLetter, redis)) === 4, { what: 'the dead letters' });
  const letters = new scene.hfxbus.DeadLetters(connection, deadLetter);
  for (const letter of await letters.list()) note('letter', letter);
  note('statistics', [await producer.stats(), await consumer.stats(), await connection.stats?.()]);
  await refused(producer.send({ stream: scene.stream, job: withSecrets(producer.job()), payload: SECRET.length }));
  await refused(
    producer.send({ stream: scene.stream, job: withSecrets(producer.job()).set('a', 1, 5), payload: 'entry' }),
  );
  const large = withSecrets(producer.job()).set('large', Buffer.alloc(2 ** 20));
  await refused(producer.send({ stream: scene.stream, job: large, payload: 'entry' }));
  const unfinished = await producer.send({ ...wait, job: withSecrets(producer.job()), waitFor: ['nobody'] });
  await refused(unfinished.finished(20));
  await redis.call('CONFIG', 'SET', 'maxmemory', '1');
  for (const payload of ['keys', 'entry']) {
    await refused(producer.send({ stream: scene.stream, job: withSecrets(producer.job()), payload }));
  }
  await refused(withSecrets(producer.job()).push());
  await redis.call('CONFIG', 'SET', 'maxmemory', '0');
  redis.freeze();
  const sending = refused(producer.send({ stream: scene.stream, job: withSecrets(producer.job()) }));
  await connection.stop({ force: true });
  await sending;
  for (const topic of ['send', 'sent', 'receive', 'settle', 'claim', 'exhaust', 'connection', scene.stream]) {
    assert.ok(
      seen.some(([what]) => what === topic),
      `nothing was seen of ${topic}`,
    );
  }
  for (const [what, text] of seen) assertHidden(what, text);
});

ours('the error of a refused settlement shows no value', async (_, scene) => {
  const { seen, watch, refused } = observe(scene);
  const redis = await scene.server();
  const connection = scene.connect(redis.options);
  const [begun, ending] = [new Gate(), new Gate()];
  let resolving = null;
  const consumer = await scene.play(
    async (job) => {
      withSecrets(job);
      begun.open();
      await ending.opened;
      resolving = job.resolve();
    },
    { connection },
  );
  watch(consumer);
  const producer = scene.producer(connection);
  await producer.send({ stream: scene.stream, job: withSecrets(producer.job()) });
  await begun.opened;
  await redis.call('ACL', 'SETUSER', 'default', '-set');
  ending.open();
  await until(() => resolving !== null);
  await refused(resolving);
  assert.ok(
    seen.some(([what]) => what === 'error NOPERM'),
    seen.map(([what]) => what).join(),
  );
  for (const [what, text] of seen) assertHidden(what, text);
});

/** Sends and runs jobs with carried values, with an answer and a failure. */
async function program({ hfxbus: { ConnectionManager, Consumer, Producer }, options, data, print }) {
  const connection = ConnectionManager.standalone(options);
  const consumer = new Consumer(connection, { group: data.group, delOnSettle: true });
  consumer.process({
    stream: data.stream,
    processor: async (job) => {
      const { text } = await job.get('text', false).del('text').pull();
      job.set('outbound', text);
      if (job.id === 'fails') throw new Error('no');
    },
  });
  await consumer.play();
  const producer = new Producer(connection);
  for (const id of ['works', 'fails']) {
    const job = producer.job(id).set('text', data.secret);
    const wait = { waitFor: [data.group], returns: ['outbound'] };
    await producer.send({ stream: data.stream, job, payload: 'entry', ...wait });
    await job.finished();
  }
  await connection.stop();
  print('done');
}

ours('DEBUG and NODE_DEBUG print no carried value', async (_, scene) => {
  const data = { stream: scene.stream, group: scene.group, secret: SECRET };
  const variables = { DEBUG: '*', NODE_DEBUG: '*', DEBUG_DEPTH: '10', DEBUG_SHOW_HIDDEN: 'yes' };
  const child = scene.child(program, { data, variables });
  const { code } = await child.exit();
  assert.deepStrictEqual([code, child.printed], [0, [['done']]]);
  assert.ok(child.stderr.includes('receive works'), child.stderr);
  // The arguments of the child itself have the program, and its environment the secret.
  const lines = child.stderr.split('\n').filter((line) => !line.includes('HFXBUS_CHILD'));
  assertHidden('output', lines.join('\n'));
});

ours('the command line prints no carried value', async (_, scene) => {
  const deadLetter = scene.name('dead');
  const processor = async (job) => {
    withSecrets(job);
    if (job.id === 'dead') throw new scene.hfxbus.UnrecoverableError('no use');
    if (job.id === 'stuck') await new Promise(() => {});
  };
  await scene.play(processor, { deadLetter, concurrency: 10 });
  const producer = scene.producer();
  for (const id of ['dead', 'stuck', 'done']) {
    const wait = { waitFor: [scene.group], returns: NAMES, durable: true };
    await producer.send({ stream: scene.stream, job: withSecrets(producer.job(id)), ...wait });
  }
  await until(async () => (await scene.length(deadLetter)) === 1);
  await until(async () => (await scene.redis.call('EXISTS', keys.payload('done', 'text'))) === 1);
  const url = ['--url', `redis://127.0.0.1:${scene.redis.port}`];
  const verbs = [
    ['doctor'],
    ['inspect', scene.stream],
    ...['dead', 'stuck', 'done'].map((id) => ['why', id, '--stream', scene.stream]),
    ['watch', scene.stream, '--count', '1', '--interval', '50'],
    ['dead-letters', 'list', deadLetter],
    ['dead-letters', 'replay', deadLetter, '--all', '--yes'],
  ];
  for (const verb of verbs) {
    for (const more of [[], ['--json']]) {
      const { stdout, stderr } = await hfxbus([...verb, ...url, ...more]);
      assert.ok(stdout.length > 0, `${verb}: ${stderr}`);
      assertHidden(verb.join(' '), stdout + stderr);
    }
  }
});
