'use strict';

const assert = require('node:assert');
const { inspect } = require('node:util');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { nodeOf } = require('../support/routes.js');
const { until } = require('../support/wait-until.js');

/** Short, but long enough for a healthy server on a busy machine. */
const EJECT = { failures: 3, timeout: 600, probeInterval: 700 };

/** Failures of a node, and their recovery. */
const FAILURES = {
  killed: { fail: (node) => node.kill(), recover: (node) => node.start() },
  frozen: { fail: (node) => node.freeze(), recover: (node) => node.thaw() },
};

/** Nodes of this case's own, all of them in use, and what the manager says of them. */
async function begin(scene, eject = EJECT) {
  const nodes = await scene.ownNodes();
  const connection = scene.partition(nodes, { eject });
  const told = [];
  for (const event of ['eject', 'readmit']) connection.on(event, (about) => told.push([event, about]));
  const producer = scene.producer(connection);
  await Promise.all([0, 1, 2].map((at) => producer.job(scene.nameOn(at, 'job')).set('key', 1).push()));
  const says = (event) => until(() => told.find(([name]) => name === event)?.[1], { timeout: 15000, what: event });
  return { nodes, connection, producer, told, says };
}

/** The error of what has to fail, and soon. */
async function failure(promise) {
  const started = Date.now();
  const error = await promise.then(
    () => assert.fail('it worked'),
    (reason) => reason,
  );
  assert.ok(Date.now() - started < 1000, `after ${Date.now() - started} ms`);
  return error;
}

function isEjected(error, node) {
  assert.strictEqual(error.code, 'NODE_EJECTED', error.stack);
  assert.strictEqual(error.node, `127.0.0.1:${node.port}`);
}

for (const [how, { fail, recover }] of Object.entries(FAILURES)) {
  ours(`a node that is ${how} is ejected: pending calls fail, new jobs go to other nodes`, async (_, scene) => {
    const { nodes, connection, producer, told, says } = await begin(scene);
    fail(nodes[2]);
    const waiting = producer.job(scene.nameOn(2, 'job')).set('key', 1).push();
    const started = Date.now();
    isEjected(await waiting.catch((error) => error), nodes[2]);
    assert.ok(Date.now() - started < 4000);
    const { error, ...about } = await says('eject');
    assert.deepStrictEqual(about, { host: '127.0.0.1', port: nodes[2].port, index: 2, failures: 3 });
    assert.ok(error instanceof Error && ['ECONNREFUSED', 'COMMAND_TIMEOUT'].includes(error.code), error.stack);

    const job = () => producer.job(scene.nameOn(2, 'job'));
    const refused = job().set('key', 1);
    const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
    isEjected(await failure(refused.push()), nodes[2]);
    isEjected(await failure(refused.get('key').pull()), nodes[2]);
    isEjected(await failure(producer.send({ stream: scene.stream, job: refused, route })), nodes[2]);
    const sent = Array.from({ length: 600 }, () => producer.job().set('key', 1));
    assert.deepStrictEqual(new Set(sent.map(({ id }) => nodeOf(id))), new Set([0, 1]));
    await Promise.all(sent.map((one) => one.push()));
    await Promise.all(sent.map((one) => producer.send({ stream: scene.stream, job: one, route })));

    await recover(nodes[2]);
    const back = await says('readmit');
    assert.deepStrictEqual([back.port, back.index], [nodes[2].port, 2]);
    assert.deepStrictEqual(told.length, 2);
    assert.strictEqual(await nodes[2].call('EXISTS', keys.payload(refused.id, 'key'), keys.stream(scene.stream)), 0);
    await job().set('key', 1).push();
    const ids = Array.from({ length: 600 }, () => producer.job().id);
    assert.deepStrictEqual(new Set(ids.map((id) => nodeOf(id))), new Set([0, 1, 2]));
    await connection.stop();
  });

  ours(`jobs on a node that was ${how} run after its readmission, with their payloads`, async (_, scene) => {
    const { nodes, connection, says, told } = await begin(scene);
    const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
    const stream = scene.nameOn(0, 'stream');
    const ran = [];
    const processor = async (job) => ran.push([told.at(-1)?.[0], await job.get('key', false).pull()]);
    await scene.play(processor, { connection, stream, route, fromId: '0' });
    fail(nodes[2]);
    await says('eject');
    await recover(nodes[2]);
    const job = scene.nameOn(2, 'job');
    await nodes[2].call('SET', keys.payload(job, 'key'), '"value"');
    await scene.add(job, { stream, redis: nodes[2] });
    await says('readmit');
    await until(() => ran.length > 0, { timeout: 15000 });
    assert.deepStrictEqual(ran, [['readmit', { key: 'value' }]]);
  });

  ours(
    `a consumer starts while a node that is ${how} is ejected, and reads the node after its readmission`,
    async (_, scene) => {
      const { nodes, connection, says } = await begin(scene);
      const { DISTRIBUTED_ROUTING: route } = scene.hfxbus;
      const stream = scene.nameOn(0, 'stream');
      fail(nodes[2]);
      await says('eject');
      const ran = [];
      await scene.play(async ({ id }) => ran.push(id), { connection, stream, route, fromId: '0' });
      await scene.add('there', { stream, redis: nodes[0] });
      await until(() => ran.includes('there'));
      await recover(nodes[2]);
      await scene.add('back', { stream, redis: nodes[2] });
      await until(() => ran.includes('back'), { timeout: 15000 });
    },
  );

  ours(`a job with waitFor is not sent while the node of its completions is ${how}`, async (_, scene) => {
    const { nodes, producer, says } = await begin(scene);
    const [stream, heard] = [scene.nameOn(2, 'stream'), scene.nameOn(0, 'stream')];
    const send = (name, options) =>
      producer.send({ stream: name, route: scene.nameOn(1, 'route'), job: producer.job(), ...options });
    await send(stream, { waitFor: [scene.group] });
    fail(nodes[2]);
    await says('eject');
    isEjected(await failure(send(stream, { waitFor: [scene.group] })), nodes[2]);
    isEjected(await failure(send(scene.nameOn(2, 'other'), { waitFor: [scene.group] })), nodes[2]);
    isEjected(await failure(producer.listen(stream)), nodes[2]);
    await send(heard, { waitFor: [scene.group] });
    await send(stream);
    assert.strictEqual(await scene.length(stream, nodes[1]), 2);
    await producer.listen();
    await recover(nodes[2]);
    await says('readmit');
    const sent = await send(stream, { waitFor: [scene.group] });
    await until(() => scene.complete(sent.id, producer.id, { stream, redis: nodes[2] }));
    assert.ok((await sent.finished(4000))[scene.group] instanceof Date);
  });

  ours(`the process ends after stop while a node that is ${how} is ejected`, async (_, scene) => {
    const nodes = await scene.ownNodes();
    const child = scene.child(
      async ({ hfxbus, options, print }) => {
        const connection = hfxbus.ConnectionManager.nodes(options);
        const producer = new hfxbus.Producer(connection);
        connection.on('eject', async () => {
          print('ejected');
          await connection.stop();
          print('stopped');
        });
        await producer.listen('*');
        await Promise.all(Array.from({ length: 32 }, () => producer.job().set('key', 1).push()));
        print('pushed');
      },
      { options: { nodes: nodes.map(({ options }) => options), eject: EJECT } },
    );
    await child.says('pushed');
    fail(nodes[2]);
    await child.says('stopped', 12000);
    const { code } = await child.exit();
    assert.deepStrictEqual([code, child.isTimedOut, child.stdout, child.stderr], [0, false, '', '']);
  });
}

ours('if every node is ejected sends fail at once, and ids can still be generated', async (_, scene) => {
  const { nodes, connection, producer, told } = await begin(scene);
  for (const node of nodes) node.kill();
  await until(() => told.length === 3, { timeout: 15000 });
  const job = producer.job().set('key', 1);
  isEjected(await failure(job.push()), nodes[nodeOf(job.id)]);
  await connection.stop();
});

ours('a process that only listens reports the ejection of a node', async (_, scene) => {
  const nodes = await scene.ownNodes();
  const connection = scene.partition(nodes, { eject: EJECT });
  const ejected = new Promise((resolve) => connection.once('eject', resolve));
  await scene.producer(connection).listen('*');
  nodes[1].freeze();
  assert.strictEqual((await ejected).index, 1);
});

ours('without the option no node is ejected, and ids lead to every node', async (_, scene) => {
  for (const eject of [undefined, null, false]) {
    const connection = scene.partition(
      [1, 2, 3].map((port) => ({ options: { port } })),
      { eject },
    );
    const ids = Array.from({ length: 300 }, () => scene.producer(connection).job().id);
    assert.deepStrictEqual(new Set(ids.map((id) => nodeOf(id))), new Set([0, 1, 2]));
  }
  const { nodes, producer, told } = await begin(scene, false);
  nodes[2].freeze();
  let isStuck = true;
  const stuck = producer
    .job(scene.nameOn(2, 'job'))
    .set('key', 1)
    .push()
    .finally(() => {
      isStuck = false;
    });
  const start = Date.now();
  await until(() => Date.now() - start > 2 * EJECT.timeout);
  assert.deepStrictEqual([isStuck, told], [true, []]);
  nodes[2].thaw();
  await stuck;
});

ours('a listener that throws is reported and stops nothing', async (_, scene) => {
  const { nodes, connection, producer, says } = await begin(scene);
  const errors = scene.errors(connection);
  connection.on('eject', () => {
    throw new Error('mine');
  });
  connection.on('error', () => {
    throw new Error('again');
  });
  nodes[2].kill();
  await says('eject');
  await until(() => errors.length > 0);
  assert.deepStrictEqual([errors[0].code, errors[0].message], ['LISTENER_ERROR', 'mine']);
  await producer.job().set('key', 1).push();
});

ours('a manager shows neither password nor listeners', (_, scene) => {
  const nodes = [{ options: { port: 1, password: 'secret' } }, { options: { port: 2, password: 'secret' } }];
  const connection = scene.partition(nodes, { eject: {} });
  const listener = () => {};
  assert.strictEqual(connection.on('eject', listener).once('readmit', listener), connection);
  assert.deepStrictEqual(connection.eventNames(), ['eject', 'readmit']);
  assert.deepStrictEqual(Object.keys(connection), []);
  assert.strictEqual(JSON.stringify(connection), '{}');
  assert.doesNotMatch(inspect(connection, { showHidden: true, depth: 9 }), /secret/);
});

ours('invalid options of eject are rejected by name', (_, { hfxbus }) => {
  const make = (eject) => hfxbus.ConnectionManager.nodes({ nodes: [{}, {}], eject });
  for (const name of Object.keys(EJECT)) {
    const refused = (value, kind) =>
      assert.throws(() => make({ [name]: value }), { name: kind, message: new RegExp(`^eject\\.${name} must be`) });
    for (const value of [0, -1, 0.5, 2 ** 31, Infinity]) refused(value, 'RangeError');
    for (const value of ['soon', {}, true]) refused(value, 'TypeError');
    for (const value of [undefined, null, NaN, 1, '7']) make({ [name]: value });
  }
  for (const value of ['yes', 1]) assert.throws(() => make(value), { name: 'TypeError', message: /^eject must be/ });
  make(Object.freeze({ failures: 1 }));
});
