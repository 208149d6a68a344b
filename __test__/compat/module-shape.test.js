'use strict';

const assert = require('node:assert');
const { pathToFileURL } = require('node:url');
const { fix, keep } = require('../support/cases.js');

const NAMES = [
  'ConnectionManager',
  'Job',
  'Producer',
  'Consumer',
  'HFXBUS_ID_SIZE',
  'DISTRIBUTED_ROUTING',
  'withValue',
  'setErrorKind',
];

/** Exports that were added after 2.2.0. */
const MORE_NAMES = [
  'UnrecoverableError',
  'DeadLetters',
  'defineStream',
  'ContractError',
  'eventStream',
  'gracefulShutdown',
];

keep('A.1 the exports are eight names in order, writable, without a default', (_, { hfxbus, isOriginal }) => {
  assert.deepStrictEqual(Object.keys(hfxbus), isOriginal ? NAMES : [...NAMES, ...MORE_NAMES]);
  for (const name of NAMES) assert.strictEqual(Object.getOwnPropertyDescriptor(hfxbus, name).writable, true, name);
  assert.strictEqual(hfxbus.__esModule, true);
  assert.strictEqual('default' in hfxbus, false);
});

keep('A.1 import finds every name, and gives the exports as the default', async (_, { hfxbus, subject }) => {
  const namespace = await import(pathToFileURL(subject.file));
  for (const name of NAMES) assert.strictEqual(namespace[name], hfxbus[name], name);
  assert.strictEqual(namespace.default, hfxbus);
});

keep('A.1 the constants keep their values', (_, { hfxbus }) => {
  const { HFXBUS_ID_SIZE, DISTRIBUTED_ROUTING } = hfxbus;
  assert.strictEqual(HFXBUS_ID_SIZE, 16);
  assert.strictEqual(DISTRIBUTED_ROUTING.toString(), 'Symbol(DISTRIBUTED_ROUTING)');
  assert.strictEqual(Symbol.keyFor(DISTRIBUTED_ROUTING), undefined);
});

keep('A.1 withValue defines an enumerable property that stays, and says whether it could', (_, { hfxbus }) => {
  const { withValue } = hfxbus;
  const object = {};
  assert.strictEqual(withValue(object, 'a', 1), true);
  assert.deepStrictEqual(Object.getOwnPropertyDescriptor(object, 'a'), {
    value: 1,
    writable: false,
    configurable: false,
    enumerable: true,
  });
  assert.strictEqual(withValue(object, 'a', 2), false);
  assert.strictEqual(object.a, 1);
  assert.throws(() => withValue('text', 'a', 1), TypeError);
});

keep('A.1 setErrorKind sets code and errno, and the first kind stays', (_, { hfxbus }) => {
  const { setErrorKind } = hfxbus;
  const error = new Error('x');
  assert.strictEqual(setErrorKind(error, 'FIRST'), error);
  assert.deepStrictEqual([error.code, error.errno], ['FIRST', 'FIRST']);
  assert.strictEqual(setErrorKind(error, 'SECOND'), error);
  assert.deepStrictEqual([error.code, error.errno], ['FIRST', 'FIRST']);
  const frozen = Object.freeze(new Error('y'));
  assert.strictEqual(setErrorKind(frozen, 'FIRST'), frozen);
  assert.strictEqual(frozen.code, undefined);
  for (const none of ['text', undefined, null]) assert.throws(() => setErrorKind(none, 'FIRST'), TypeError);
});

keep('A.2 every function takes as many arguments as it says', (_, { hfxbus }) => {
  const { ConnectionManager, Job, Producer, Consumer } = hfxbus;
  const lengths = (owner, names) => Object.fromEntries(names.map((name) => [name, owner[name].length]));
  assert.deepStrictEqual(
    [ConnectionManager, Producer, Consumer, Job].map(({ length }) => length),
    [1, 1, 2, 2],
  );
  assert.deepStrictEqual(lengths(ConnectionManager, ['standalone', 'cluster', 'nodes']), {
    standalone: 1,
    cluster: 2,
    nodes: 1,
  });
  assert.deepStrictEqual(
    lengths(ConnectionManager.prototype, ['getClient', 'getClientByRoute', 'getClients', 'getKeyPrefix', 'stop']),
    { getClient: 1, getClientByRoute: 2, getClients: 1, getKeyPrefix: 0, stop: 0 },
  );
  assert.deepStrictEqual(lengths(Producer.prototype, ['listen', 'job', 'send']), { listen: 0, job: 1, send: 1 });
  assert.deepStrictEqual(lengths(Consumer.prototype, ['process', 'play', 'pause']), { process: 1, play: 0, pause: 1 });
  assert.deepStrictEqual(lengths(Job.prototype, ['prefix', 'get', 'set', 'del', 'push', 'pull']), {
    prefix: 1,
    get: 1,
    set: 3,
    del: 1,
    push: 0,
    pull: 0,
  });
});

keep('A.2 the classes are classes: they cannot be called without new', (_, { hfxbus }) => {
  for (const name of ['ConnectionManager', 'Job', 'Producer', 'Consumer']) {
    assert.throws(() => hfxbus[name](), { name: 'TypeError', message: /without 'new'/ });
  }
});

keep('A.2 a ConnectionManager needs standalone, cluster or nodes', (_, { hfxbus }) => {
  assert.throws(() => new hfxbus.ConnectionManager({}), TypeError);
});

keep('A.2 the key prefix is hfxbus unless a text says otherwise', (_, { hfxbus }) => {
  const { ConnectionManager } = hfxbus;
  assert.strictEqual(ConnectionManager.standalone().getKeyPrefix(), 'hfxbus');
  assert.strictEqual(ConnectionManager.standalone({}).getKeyPrefix(), 'hfxbus');
  assert.strictEqual(ConnectionManager.standalone({ keyPrefix: '' }).getKeyPrefix(), 'hfxbus');
  assert.strictEqual(ConnectionManager.standalone({ keyPrefix: 'mine' }).getKeyPrefix(), 'mine');
  assert.strictEqual(new ConnectionManager({ standalone: { keyPrefix: 'mine' } }).getKeyPrefix(), 'mine');
});

keep('A.2 creating managers, producers, consumers, jobs and processors opens no connection', async (_, scene) => {
  const monitor = await scene.monitor();
  const producer = scene.producer();
  const consumer = scene.consumer();
  const processed = consumer.process({ stream: scene.stream, processor: async () => {} });
  producer.job().set('a', 1).get('a').del('a');
  assert.strictEqual(processed, consumer);
  // Whatever had been sent by now would be there before the commands of this one.
  await scene.connect().getClient('later').call('PING');
  const commands = await monitor.named('PING', 'XGROUP', 'XREADGROUP', 'SET', 'GET', 'DEL', 'SUBSCRIBE', 'PSUBSCRIBE');
  assert.deepStrictEqual(commands, [['PING']]);
});

keep('A.2 promises resolve with undefined: listen, play, pause, push, stop', async (_, scene) => {
  const producer = scene.producer();
  const consumer = scene.consumer();
  consumer.process({ stream: scene.stream, processor: async () => {} });
  assert.strictEqual(await producer.listen(), undefined);
  assert.strictEqual(await consumer.play(), undefined);
  assert.strictEqual(await consumer.pause(), undefined);
  assert.strictEqual(await producer.job().set('a', 1).push(), undefined);
  assert.strictEqual(await scene.connection.stop({ force: true }), undefined);
});

keep('A.2 resolve, reject and release are own properties of a received job, in this order', async (_, scene) => {
  const order = new Promise((resolve) => {
    scene
      .play(async (job) => resolve(Object.keys(job).filter((key) => ['release', 'resolve', 'reject'].includes(key))))
      .then(() => scene.add('job-1'));
  });
  assert.deepStrictEqual(await order, ['release', 'resolve', 'reject']);
});

keep('B-075 producers and consumers are emitters as eventemitter3 has them', (_, scene) => {
  for (const emitter of [scene.producer(), scene.consumer()]) {
    assert.strictEqual(emitter.emit('error', new Error('nobody listens')), false);
    assert.strictEqual(emitter.newListener, undefined);
    assert.strictEqual(emitter.setMaxListeners, undefined);
    const calls = [];
    function listener(...args) {
      calls.push([this, ...args]);
    }
    const context = {};
    assert.strictEqual(emitter.on('a', listener, context), emitter);
    emitter.once('b', listener, context).addListener('c', listener);
    assert.deepStrictEqual(emitter.eventNames(), ['a', 'b', 'c']);
    assert.deepStrictEqual(emitter.listeners('a'), [listener]);
    assert.strictEqual(emitter.listenerCount('a'), 1);
    for (const event of ['a', 'b', 'b', 'c']) emitter.emit(event, event);
    assert.deepStrictEqual(calls, [
      [context, 'a'],
      [context, 'b'],
      [emitter, 'c'],
    ]);
    assert.strictEqual(emitter.off('a', listener).removeListener('c', listener), emitter);
    assert.strictEqual(emitter.removeAllListeners(), emitter);
    assert.deepStrictEqual(emitter.eventNames(), []);
  }
});

fix('B-105 loading the package changes no ioredis in the same process, as it loads none', async (_, scene) => {
  const child = scene.child(({ print }) => {
    print('loaded', Object.keys(require.cache));
  });
  const [files] = await child.says('loaded');
  assert.ok(files.includes(scene.subject.file));
  assert.deepStrictEqual(
    files.filter((file) => file.includes('ioredis')),
    [],
  );
});
