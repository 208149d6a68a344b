'use strict';

/* The diagnosis in the error of a `finished()` that timed out. */

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { begin, timesOut, unfinished } = require('../support/unfinished.js');
const { until } = require('../support/wait-until.js');

/** Returns the groups in the error's diagnosis. */
function saidOf({ diagnosis }) {
  return diagnosis.groups.map(({ group, state }) => [group, state]);
}

ours('finished() says that a group does not exist, and which ones do', async (_, scene) => {
  const { stream } = scene;
  await scene.play(async () => {}, { group: 'archive' });
  const error = await timesOut(scene, { waitFor: ['archiv'] });
  const node = `127.0.0.1:${scene.redis.port}`;
  const reason = `group archiv does not exist on ${stream} at ${node} (there is archive): no consumer of it has called play(), or it has another keyPrefix or db`;
  assert.strictEqual(error.message, `${begin(30)}; ${reason}`);
  const { entry, groups, ...place } = error.diagnosis;
  assert.match(entry, /^\d+-\d+$/);
  assert.deepStrictEqual(place, { stream, node, unpushed: [] });
  const unknown = { consumers: null, pending: null, lastRead: null, lag: null, owner: null, ownerSeen: null };
  assert.deepStrictEqual(groups, [
    { group: 'archiv', state: 'absent', reason, ...unknown, idle: null, deliveries: null, error: null },
  ]);
});

ours('finished() says that a group was made after the job was sent', async (_, scene) => {
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  await scene.play(async () => {});
  const error = await unfinished(job);
  assert.deepStrictEqual(saidOf(error), [[scene.group, 'passed']]);
  assert.match(
    error.message,
    /made after the job was sent; play\(\) comes before send\(\), or process\(\) takes fromId: '0'$/,
  );
});

ours('finished() says that no consumer has read for a while', async (_, scene) => {
  const { stream, group } = scene;
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
  const none = await timesOut(scene);
  assert.match(none.message, new RegExp(`group ${group} has not been given the job: it has no consumer on ${stream}`));
  await scene.redis.call(
    'XREADGROUP',
    'GROUP',
    keys.group(group),
    'gone',
    'COUNT',
    1,
    'STREAMS',
    keys.stream(stream),
    '>',
  );
  await scene.redis.call('XGROUP', 'SETID', keys.stream(stream), keys.group(group), '$');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  const error = await until(async () => {
    const found = await unfinished(job);
    return found.diagnosis.groups[0].lastRead > 2000 && found;
  });
  assert.match(
    error.message,
    /has not been given the job: no consumer has read for \d+ s, so it is busy, paused or gone$/,
  );
  const [{ state, consumers, pending }] = error.diagnosis.groups;
  assert.deepStrictEqual([state, consumers, pending], ['waiting', 1, 1]);
});

ours('finished() names the consumer of the job, its delivery count and the entries behind it', async (_, scene) => {
  const consumer = await scene.play(() => new Promise(() => {}), { claimInterval: 20, claimDeadline: 60 });
  const producer = scene.producer();
  const send = () => producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  const job = await send();
  await until(async () => (await scene.pending()) === 1);
  const [running] = (await unfinished(job)).diagnosis.groups;
  const { state, owner, deliveries, consumers, pending } = running;
  assert.deepStrictEqual([state, owner, deliveries, consumers, pending], ['pending', consumer.id, 1, 1, 1]);
  assert.ok(running.idle >= 0 && running.ownerSeen >= 0);
  assert.match(
    running.reason,
    new RegExp(`^group ${scene.group} has not acknowledged the job, delivered once: consumer ${consumer.id} runs it,`),
  );
  const second = await unfinished(await send());
  assert.deepStrictEqual(saidOf(second), [[scene.group, 'waiting']]);
  assert.match(
    second.message,
    /has not been given the job: its consumers \(1\) are busy or behind, entries to be read: (1|some)$/,
  );
});

ours('finished() reports since when a consumer is gone, and the delivery count of its job', async (_, scene) => {
  const { stream, group } = scene;
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  await scene.redis.call(
    'XREADGROUP',
    'GROUP',
    keys.group(group),
    'gone',
    'COUNT',
    1,
    'STREAMS',
    keys.stream(stream),
    '>',
  );
  const [[id]] = await scene.redis.call('XPENDING', keys.stream(stream), keys.group(group), '-', '+', 1);
  const claim = ['XCLAIM', keys.stream(stream), keys.group(group), 'gone', 0, id, 'IDLE', 70000, 'RETRYCOUNT', 3];
  await scene.redis.call(...claim);
  const [{ state, owner, deliveries, idle, reason }] = (await unfinished(job)).diagnosis.groups;
  assert.deepStrictEqual([state, owner, deliveries, idle >= 70000], ['pending', 'gone', 3, true]);
  assert.match(
    reason,
    /delivered 3 times: consumer gone runs it, or its run failed and it waits to be claimed \(touched 70 s ago\)$/,
  );
});

ours('finished() reports the state of the job in each of several groups', async (_, scene) => {
  const [done, fails] = [scene.name('group'), scene.name('group')];
  await scene.play(async () => {}, { group: done });
  await scene.play(
    async () => {
      throw new Error('boom');
    },
    { group: fails },
  );
  const producer = scene.producer();
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [done, fails, 'none'] });
  const error = await until(async () => {
    const found = await unfinished(job);
    return found.diagnosis.groups.filter(({ state }) => state === 'absent').length === 1 && found;
  });
  assert.deepStrictEqual(saidOf(error), [
    [done, 'completed'],
    [fails, 'failed'],
    ['none', 'absent'],
  ]);
  const [, failed] = error.diagnosis.groups;
  assert.deepStrictEqual([failed.error.message, failed.deliveries], ['boom', 1]);
  assert.ok(error.message.includes(`; group ${fails} failed, delivered once, last error: boom; group none does not`));
  assert.ok(!error.message.includes(`group ${done}`), 'what is done needs no mention');
});

ours('finished() says that the entry, or the stream, is gone', async (_, scene) => {
  const { stream, group } = scene;
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job(), waitFor: [group] });
  await scene.redis.call('XTRIM', keys.stream(stream), 'MAXLEN', 0);
  const trimmed = await unfinished(job);
  assert.deepStrictEqual(saidOf(trimmed), [[group, 'gone']]);
  assert.ok(trimmed.message.includes(`; the entry is gone from ${stream}, deleted or trimmed: group ${group} cannot`));
  await scene.redis.call('DEL', keys.stream(stream));
  const deleted = await unfinished(job);
  assert.ok(
    deleted.message.includes(`; stream ${stream} is gone from 127.0.0.1:${scene.redis.port}: group ${group} cannot`),
  );
});

ours('finished() names the payload keys that were set after the send and never pushed', async (_, scene) => {
  const { stream, group } = scene;
  const producer = scene.producer();
  const job = await producer.send({ stream, job: producer.job().set('early', 1), waitFor: [group] });
  job.set('inbound', 1).set('outbound', 2).set('inbound', 3);
  const error = await unfinished(job);
  assert.deepStrictEqual(error.diagnosis.unpushed, ['inbound', 'outbound']);
  assert.match(error.message, /; set after send\(\) and not pushed: inbound, outbound; await job\.push\(\)$/);
  const pushed = await timesOut(scene, { prepare: (job) => job.set('inbound', 1).push() });
  assert.deepStrictEqual(pushed.diagnosis.unpushed, []);
});

ours('with several nodes finished() names the queried node, and that the route can differ', async (_, scene) => {
  const servers = await scene.nodes();
  const connection = scene.partition(servers);
  const stream = scene.nameOn(1, 'stream');
  const error = await timesOut(scene, { connection, stream });
  const node = `127.0.0.1:${servers[1].port}`;
  assert.strictEqual(error.diagnosis.node, node);
  assert.ok(
    error.message.includes(`does not exist on ${stream} at ${node}`) &&
      error.message.includes('or another route, which producer and consumer'),
    error.message,
  );
});

ours('many groups with names of all kinds make one readable line', async (_, scene) => {
  const waitFor = Array.from({ length: 8 }, (_, at) => `g\n${at}`);
  const { message, diagnosis } = await timesOut(scene, { waitFor });
  assert.strictEqual(diagnosis.groups.length, 8);
  assert.ok(!message.includes('\n') && message.endsWith('; and 3 groups more'), message);
  assert.ok(diagnosis.groups.every(({ reason }) => !reason.includes('\n')));
});
