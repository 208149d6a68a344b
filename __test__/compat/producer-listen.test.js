'use strict';

const assert = require('node:assert');
const { fix, keep, ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { stays, until } = require('../support/wait-until.js');

keep('B-049 listen() to a stream receives the completions of every producer, once it resolved', async (_, scene) => {
  const producer = scene.producer();
  const heard = [];
  producer.on(scene.stream, (...args) => heard.push(args));
  await producer.listen(scene.stream);
  assert.strictEqual(await scene.complete('job-1', 'somebody'), 1);
  await until(() => heard.length === 1);
  assert.deepStrictEqual(heard, [[null, 'job-1', scene.group]]);
});

keep('B.3 B-049 listen() takes a pattern, also with a wildcard, and events name the real stream', async (_, scene) => {
  const producer = scene.producer();
  const monitor = await scene.monitor();
  const stream = scene.name('wild-card');
  const heard = [];
  producer.on(stream, (_error, job) => heard.push(job));
  await producer.listen('wild-*', scene.stream);
  assert.deepStrictEqual(await monitor.named('PSUBSCRIBE'), [
    ['PSUBSCRIBE', keys.channel('wild-*', '*')],
    ['PSUBSCRIBE', keys.channel(scene.stream, '*')],
  ]);
  await scene.complete('job-1', 'somebody', { stream });
  await until(() => heard.length === 1);
});

keep('B-047 a second listen() to the same name changes nothing', async (_, scene) => {
  const producer = scene.producer();
  let heard = 0;
  producer.on(scene.stream, () => heard++);
  await producer.listen(scene.stream);
  await producer.listen(scene.stream);
  for (let job = 1; job <= 3; job++) await scene.complete(`job-${job}`, 'somebody');
  await until(() => heard >= 3);
  await stays(() => heard === 3, 20);
});

fix('B-047 a completion that matches several patterns is emitted once', async (_, scene) => {
  const producer = scene.producer();
  const heard = [];
  producer.on(scene.stream, (_error, job) => heard.push(job));
  await producer.listen();
  await producer.listen(scene.stream);
  await producer.listen('*');
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] });
  await scene.complete(job.id, producer.id, { group: 'g' });
  await scene.complete('other', 'somebody', { group: 'g' });
  await until(() => heard.length >= 2);
  await stays(() => heard.length === 2, 20);
  assert.deepStrictEqual(heard, [job.id, 'other']);
});

fix('B-048 producers of one manager receive only the completions that they listen to', async (_, scene) => {
  const [one, two] = [scene.producer(), scene.producer()];
  const other = scene.name('stream');
  const heard = [];
  one.on(scene.stream, () => heard.push('one'));
  one.on(other, () => heard.push('one, other'));
  two.on(other, () => heard.push('two, other'));
  await one.listen(scene.stream);
  await two.listen(other);
  await scene.complete('job-1', 'somebody', { stream: other });
  await scene.complete('job-2', 'somebody');
  await until(() => heard.length >= 2);
  assert.deepStrictEqual(heard, ['two, other', 'one']);
});

fix('B-049 a name without * means that stream only', async (_, scene) => {
  const producer = scene.producer();
  const heard = [];
  for (const stream of ['s[x]', 'sx', 's', 's:t', 's?']) producer.on(stream, () => heard.push(stream));
  await producer.listen('s[x]', 's');
  for (const stream of ['sx', 's:t', 's?', 's[x]', 's']) await scene.complete('job-1', 'somebody', { stream });
  await until(() => heard.length >= 2);
  assert.deepStrictEqual(heard, ['s[x]', 's']);
});

keep('B-044 a stream called error makes completions errors', async (_, scene) => {
  const producer = scene.producer();
  const heard = [];
  producer.on('error', (...args) => heard.push(args));
  await producer.listen('error');
  await scene.complete('job-1', 'somebody', { stream: 'error', group: 'g' });
  await until(() => heard.length === 1);
  assert.deepStrictEqual(heard, [[null, 'job-1', 'g']]);
});

fix('B-045 a listener that throws is reported as LISTENER_ERROR, and stops nothing', async (_, scene) => {
  const producer = scene.producer();
  const errors = scene.errors(producer);
  let heard = 0;
  producer.on(scene.stream, () => {
    heard++;
    throw new Error('from a listener');
  });
  await producer.listen(scene.stream);
  for (let job = 1; job <= 3; job++) {
    await scene.complete(`job-${job}`, 'somebody');
    await until(() => heard === job && errors.length === job);
  }
  assert.deepStrictEqual([errors[0].code, errors[0].message], ['LISTENER_ERROR', 'from a listener']);
});

keep('B-046 a message that is not JSON is MESSAGE_PARSING, with the message', async (_, scene) => {
  const producer = scene.producer();
  const errors = scene.errors(producer);
  await producer.listen(scene.stream);
  const channel = keys.channel(scene.stream, 'somebody');
  for (const message of ['{bad', 'null']) await scene.redis.call('PUBLISH', channel, message);
  await until(() => errors.length === 2);
  assert.ok(errors[0] instanceof SyntaxError);
  assert.ok(errors[1] instanceof TypeError);
  assert.deepStrictEqual(
    errors.map(({ code, errno, pubsub }) => [code, errno, pubsub]),
    [
      ['MESSAGE_PARSING', 'MESSAGE_PARSING', { message: '{bad', channel }],
      ['MESSAGE_PARSING', 'MESSAGE_PARSING', { message: null, channel }],
    ],
  );
});

keep('B-046 JSON that is not a completion is ignored', async (_, scene) => {
  const producer = scene.producer();
  const errors = scene.errors(producer);
  let heard = 0;
  producer.on(scene.stream, () => heard++);
  await producer.listen(scene.stream);
  const channel = keys.channel(scene.stream, 'somebody');
  for (const message of ['7', '"text"', '{}', '[]', 'true']) await scene.redis.call('PUBLISH', channel, message);
  await scene.complete('job-1', 'somebody');
  await until(() => heard === 1);
  assert.deepStrictEqual(errors, []);
});

ours('a refused listen() to the own jobs leaves no send waiting', async (_, scene) => {
  const username = scene.name('user');
  await scene.redis.call('ACL', 'SETUSER', username, 'on', '>secret', '~*', 'resetchannels', '+@all');
  const producer = scene.producer(scene.connect({ username, password: 'secret' }));
  const streams = Array.from({ length: 5 }, () => scene.name('stream'));
  const send = (stream) => producer.send({ stream, job: producer.job() });
  await Promise.all(streams.map(send));
  await assert.rejects(producer.listen(), { code: 'NOPERM' });
  const results = await Promise.allSettled(streams.map(send));
  assert.deepStrictEqual(
    results.map(({ reason }) => reason?.code),
    streams.map(() => 'NOPERM'),
  );
});

ours(
  'B-050 a closed producer receives no completions, holds nothing in Redis, and can be used again',
  async (_, scene) => {
    const producer = scene.producer();
    let heard = 0;
    producer.on(scene.stream, () => heard++);
    await producer.listen(scene.stream);
    const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: ['g'] });
    const finished = job.finished();
    await producer.close();
    await assert.rejects(finished, { code: 'CONNECTION_CLOSED' });
    await until(async () => (await scene.complete('job-1', producer.id)) === 0);
    assert.strictEqual(heard, 0);
    await producer.listen(scene.stream);
    await scene.complete('job-2', 'somebody');
    await until(() => heard === 1);
  },
);
