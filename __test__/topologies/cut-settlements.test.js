'use strict';

/* Settlements with payload changes whose connection breaks before the reply, with and without their execution. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { Gate } = require('../support/latch.js');
const { TcpProxy } = require('../support/tcp-proxy.js');
const { until } = require('../support/wait-until.js');

/** Number of jobs that settle together. */
const JOBS = 12;
/** Back-offs, a connection that opens, and some time for a busy machine. */
const RECOVERY = { timeout: 15000 };

/** A proxy in front of a server. */
async function proxyTo(scene, redis) {
  const proxy = await TcpProxy.to(redis.port);
  scene.closing(() => proxy.close());
  return proxy;
}

/** Buses whose consumer is behind proxies, by name. */
const BUSES = {
  'one node': async (scene, options = {}, server = scene.server()) => {
    const redis = await server;
    const proxy = await proxyTo(scene, redis);
    return {
      servers: [redis],
      proxies: [proxy],
      direct: scene.connect(redis.options),
      cut: scene.connect({ ...redis.options, ...proxy.options, retryStrategy: () => 20, ...options }),
    };
  },
  'several nodes': async (scene) => {
    const servers = await scene.ownNodes();
    const proxies = await Promise.all(servers.map((redis) => proxyTo(scene, redis)));
    const each = proxies.map((proxy) => ({ ...proxy.options, retryStrategy: () => 20 }));
    return { servers, proxies, direct: scene.partition(servers), cut: scene.partition(servers, { each }) };
  },
};

/** Starts jobs that settle with an output and without their input when the gate opens. */
async function running(scene, bus, { count = JOBS, send, gates = [new Gate()] } = {}) {
  const begun = new Gate();
  const on = { runs: 0, settled: 0, gates };
  const processor = async (job) => {
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    if (++on.runs === count * gates.length) begun.open();
    await gates[Math.floor(inbound / count)].opened;
    job.set('outbound', inbound);
    await job.resolve();
    on.settled++;
  };
  const concurrency = count * gates.length;
  on.consumer = await scene.play(processor, { connection: bus.cut, route: scene.stream, concurrency });
  const errors = scene.errors(on.consumer);
  // A read that was cut is an error of its own.
  on.rejections = () => errors.filter(({ code }) => code !== 'CONSUME_ERROR');
  const producer = scene.producer(bus.direct);
  const channel = keys.channel(scene.stream, producer.id);
  on.heard = await Promise.all(bus.servers.map((redis) => scene.hear(channel, redis)));
  on.jobs = Array.from({ length: concurrency }, (_, at) => producer.job().set('inbound', at));
  const sending = on.jobs.map((job) => producer.send({ stream: scene.stream, job, waitFor: [scene.group], ...send }));
  await Promise.all(sending);
  await begun.opened;
  return on;
}

/** Number of jobs with a payload key, on whichever server. */
async function having(bus, jobs, key) {
  const names = jobs.map((job) => keys.payload(job.id, key));
  const counts = await Promise.all(bus.servers.map((redis) => redis.call('EXISTS', ...names)));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Number of pending entries on all servers. */
async function pending(scene, bus) {
  const count = (redis) => scene.pending({ redis }).catch(() => 0);
  return (await Promise.all(bus.servers.map(count))).reduce((sum, one) => sum + one, 0);
}

/** Has the proxies do something. */
function each(bus, action) {
  for (const proxy of bus.proxies) action(proxy);
}

/** Waits until the servers have executed the settlements, removes the outputs as their producer, and cuts. */
async function executeAndCut(scene, bus, on) {
  await until(async () => (await pending(scene, bus)) === 0);
  await Promise.all(on.jobs.map((job) => job.finished()));
  await Promise.all(on.jobs.map((job) => job.del('outbound').pull()));
  assert.strictEqual(on.settled, 0);
  each(bus, (proxy) => {
    proxy.muteAt(null);
    proxy.cut();
  });
  await until(() => on.settled === JOBS, RECOVERY);
}

for (const [name, { send, word, open, completions }] of Object.entries({
  'one node': { word: 'EXEC', open: BUSES['one node'], completions: JOBS },
  'one node, durable': { word: 'EXEC', open: BUSES['one node'], completions: JOBS, send: { durable: true } },
  'one node, with an answer': {
    word: 'EXEC',
    open: BUSES['one node'],
    completions: JOBS,
    send: { returns: ['outbound'] },
  },
  // XACK and PUBLISH are commands of their own there, which the connection sends again.
  'several nodes': { word: 'XACK', open: BUSES['several nodes'], completions: 2 * JOBS },
})) {
  ours(`a settlement that was executed and cut before its reply does not write again on ${name}`, async (_, scene) => {
    const bus = await open(scene);
    const on = await running(scene, bus, { send });
    each(bus, (proxy) => proxy.muteAt(word));
    on.gates[0].open();
    await executeAndCut(scene, bus, on);
    assert.deepStrictEqual([await having(bus, on.jobs, 'outbound'), await having(bus, on.jobs, 'inbound')], [0, 0]);
    assert.strictEqual(on.heard.flat().length, completions);
    assert.deepStrictEqual([on.runs, on.rejections()], [JOBS, []]);
  });
}

for (const [name, { word, open, options }] of Object.entries({
  'one node': { word: 'MULTI', open: BUSES['one node'] },
  'one node, in the middle': { word: 'EXEC', open: BUSES['one node'] },
  'one node, without autoResendUnfulfilledCommands': {
    word: 'MULTI',
    open: BUSES['one node'],
    options: { autoResendUnfulfilledCommands: false },
  },
  'several nodes': { word: 'SET', open: BUSES['several nodes'] },
  'several nodes, before XACK': { word: 'XACK', open: BUSES['several nodes'] },
})) {
  ours(`a settlement that was cut before its execution is sent again on ${name}`, async (_, scene) => {
    const bus = await open(scene, options);
    const on = await running(scene, bus);
    each(bus, (proxy) => proxy.holeAt(word));
    const swallowed = bus.proxies.map((proxy) => proxy.record());
    on.gates[0].open();
    await until(() => swallowed.some((chunks) => Buffer.concat(chunks).includes(word)));
    each(bus, (proxy) => {
      proxy.holeAt(null);
      proxy.cut();
    });
    await until(() => on.settled === JOBS, RECOVERY);
    const numbers = await Promise.all(on.jobs.map((job) => job.get('outbound', false).pull()));
    assert.deepStrictEqual(
      numbers.map(({ outbound }) => outbound),
      on.jobs.map((_, at) => at),
    );
    assert.deepStrictEqual([await having(bus, on.jobs, 'inbound'), await pending(scene, bus)], [0, 0]);
    assert.strictEqual(on.heard.flat().length, JOBS);
    assert.deepStrictEqual([on.runs, on.rejections()], [JOBS, []]);
  });
}

ours('of two settlements that were cut, only the one that was not executed is sent again', async (_, scene) => {
  const bus = await BUSES['one node'](scene);
  const [first, second] = [new Gate(), new Gate()];
  const on = await running(scene, bus, { gates: [first, second] });
  const [proxy] = bus.proxies;
  proxy.muteAt('EXEC');
  first.open();
  await until(async () => (await pending(scene, bus)) === JOBS);
  await Promise.all(on.jobs.slice(0, JOBS).map((job) => job.del('outbound').pull()));
  proxy.holeAt('MULTI');
  const requests = proxy.record();
  second.open();
  await until(() => Buffer.concat(requests).includes('EXEC'));
  proxy.muteAt(null);
  proxy.holeAt(null);
  proxy.cut();
  await until(() => on.settled === 2 * JOBS, RECOVERY);
  const written = (jobs) => having(bus, jobs, 'outbound');
  assert.deepStrictEqual([await written(on.jobs.slice(0, JOBS)), await written(on.jobs.slice(JOBS))], [0, JOBS]);
  assert.strictEqual(on.heard.flat().length, 2 * JOBS);
  assert.deepStrictEqual([await pending(scene, bus), on.runs, on.rejections()], [0, 2 * JOBS, []]);
});

for (const [name, change] of Object.entries({
  'whose entries another consumer has claimed': async (scene, redis, ids) => {
    await redis.call('XCLAIM', keys.stream(scene.stream), keys.group(scene.group), 'other', 0, ...ids);
  },
  'whose group is gone': (scene, redis) =>
    redis.call('XGROUP', 'DESTROY', keys.stream(scene.stream), keys.group(scene.group)),
})) {
  ours(`a settlement ${name} is sent again after it was cut before its execution`, async (_, scene) => {
    const bus = await BUSES['one node'](scene);
    const on = await running(scene, bus);
    const [proxy] = bus.proxies;
    const requests = proxy.record();
    proxy.holeAt('MULTI');
    on.gates[0].open();
    await until(() => Buffer.concat(requests).includes('EXEC'));
    proxy.refuse();
    proxy.holeAt(null);
    proxy.cut();
    const [redis] = bus.servers;
    const entries = await redis.call('XRANGE', keys.stream(scene.stream), '-', '+');
    await change(
      scene,
      redis,
      entries.map(([id]) => id),
    );
    proxy.refuse(false);
    await until(() => on.settled === JOBS, RECOVERY);
    assert.deepStrictEqual([await having(bus, on.jobs, 'outbound'), on.heard.flat().length], [JOBS, JOBS]);
    assert.deepStrictEqual([await having(bus, on.jobs, 'inbound'), await pending(scene, bus)], [0, 0]);
    assert.deepStrictEqual(on.rejections(), []);
  });
}

/** One node, whose user has every right but one. */
async function without(scene, right) {
  const redis = await scene.server();
  await redis.call('ACL', 'SETUSER', 'ann', 'on', '>secret', '~*', '&*', '+@all', `-${right}`);
  return BUSES['one node'](scene, { username: 'ann', password: 'secret' }, redis);
}

ours('without the right to XPENDING a settlement that was cut is sent again', async (_, scene) => {
  const bus = await without(scene, 'xpending');
  const on = await running(scene, bus);
  bus.proxies[0].muteAt('EXEC');
  on.gates[0].open();
  await executeAndCut(scene, bus, on);
  assert.deepStrictEqual([await having(bus, on.jobs, 'outbound'), on.heard.flat().length], [JOBS, 2 * JOBS]);
  assert.deepStrictEqual([on.runs, on.rejections()], [JOBS, []]);
});

ours(
  'without the right to MULTI a settlement that was cut between XACK and PUBLISH is sent again',
  async (_, scene) => {
    const bus = await without(scene, 'multi');
    const on = await running(scene, bus, { gates: [new Gate(), new Gate()] });
    on.gates[0].open();
    await until(() => on.settled === JOBS);
    const [proxy] = bus.proxies;
    proxy.muteAt('MULTI');
    proxy.holeAt('*3\r\n$7\r\nPUBLISH');
    on.gates[1].open();
    await until(async () => (await pending(scene, bus)) === 0);
    proxy.muteAt(null);
    proxy.holeAt(null);
    proxy.cut();
    await until(() => on.settled === 2 * JOBS, RECOVERY);
    assert.deepStrictEqual([await having(bus, on.jobs, 'outbound'), on.heard.flat().length], [2 * JOBS, 2 * JOBS]);
    assert.deepStrictEqual([await having(bus, on.jobs, 'inbound'), on.rejections()], [0, []]);
  },
);
