'use strict';

const { RedisCluster } = require('../support/redis-cluster.js');
const { keys } = require('../support/keys.js');
const { consumeOrdered, produceOrdered } = require('./programs/ordered.js');

const STREAM = 'ordered';
const GROUP = 'owners';
const LEASE = 1000;
/** Maximum time until the partitions of a killed owner have another one, in ms. */
const MOST_MOVE = 2000;
const PARTITIONS = 32;
const KEYS = 200;
const CONSUMERS = 4;
const OPTIONS = { group: GROUP, concurrency: 50, claimInterval: 100, claimDeadline: 500, retryLimit: 3 };

/** The partitions that a process owns, by its lines. */
function ownedBy({ printed }) {
  const owned = new Set();
  for (const [word, partition] of printed) {
    if (word === 'owns') owned.add(partition);
    if (word === 'left') owned.delete(partition);
  }
  return owned;
}

/** Adds the numbers of all keys, in the order in which their jobs ran. */
async function readOrder(server) {
  const found = { done: new Set(), disorder: 0, repeats: 0, sample: null };
  for (let key = 0; key < KEYS; key++) {
    let last = -1;
    const numbers = (await server.call('LRANGE', `order:k${key}`, 0, -1)).map(Number);
    for (const [at, number] of numbers.entries()) {
      if (number < last) found.disorder++;
      if (number < last) found.sample ??= numbers.slice(Math.max(0, at - 4), at + 4);
      if (found.done.has(number)) found.repeats++;
      found.done.add(number);
      last = Math.max(last, number);
    }
  }
  return found;
}

/**
 * Kills owners of ordered partitions in the middle of jobs, and looks at the order of the jobs of each key.
 * @param {{ startupNodes?: object[] }} bus the Cluster with the partitions; without one they are on the server of the lists
 * @param {(kill: number) => Promise<void>} [disturb] called beside each kill
 */
async function killOwners(
  trial,
  server,
  { jobs, kills, failing = 0.001, startupNodes, disturb = async () => {}, isOrdered = true },
) {
  const process = { stream: STREAM, partitions: PARTITIONS, ordered: { lease: LEASE } };
  const start = async () => {
    const data = { consumer: OPTIONS, process, work: 4, failing, log: server.options, startupNodes };
    const child = trial.child(consumeOrdered, { options: server.options, data });
    await child.says('plays', 20000);
    return child;
  };
  const consumers = await Promise.all(Array.from({ length: CONSUMERS }, start));
  const data = {
    send: { stream: STREAM, partitions: PARTITIONS },
    count: jobs,
    keys: KEYS,
    window: 500,
    pause: 10,
    startupNodes,
  };
  const producer = trial.child(produceOrdered, { options: server.options, data });
  const moves = [];
  for (let kill = 0; kill < kills; kill++) {
    const all = () => consumers.reduce((sum, child) => sum + ownedBy(child).size, 0);
    await trial.until(() => all() === PARTITIONS);
    await trial.sleep(50, 400);
    const index = trial.random.between(0, CONSUMERS - 1);
    const lost = ownedBy(consumers[index]);
    const left = consumers.filter((_, at) => at !== index);
    consumers[index].kill();
    const began = performance.now();
    await disturb(kill);
    await trial.until(() => left.reduce((sum, child) => sum + ownedBy(child).size, 0) === PARTITIONS);
    if (lost.size > 0) moves.push(performance.now() - began);
    consumers[index] = await start();
  }
  await producer.says('over', 120000);
  let found = await readOrder(server);
  const end = performance.now() + 120000;
  while (found.done.size < jobs && performance.now() < end) {
    await trial.sleep(200);
    found = await readOrder(server);
  }
  const longest = Math.max(...moves);
  trial.mark('nothing lost', found.done.size === jobs);
  if (isOrdered) trial.mark('no job out of order', found.disorder === 0);
  const median = [...moves].sort((left, right) => left - right)[moves.length >> 1];
  const figures = { jobs, kills, outOfOrder: found.disorder, repeats: found.repeats, sample: found.sample };
  return { longest, figures: { ...figures, moveMedian: Math.round(median), moveLongest: Math.round(longest) } };
}

async function run(trial) {
  const server = await trial.server();
  const { longest, figures } = await killOwners(trial, server, {
    jobs: trial.times(100000, 2000),
    kills: trial.times(20, 2),
  });
  trial.mark(`partitions move within ${MOST_MOVE} ms of a kill`, longest <= MOST_MOVE);
  return trial.report({ ...figures, recovery: longest });
}

/** Streams of the partitions of a Cluster. */
async function partitionsOf(cluster) {
  const perNode = cluster.primaries.map((node) => node.call('KEYS', keys.stream(`${STREAM}#*`)));
  return (await Promise.all(perNode)).flat();
}

/** Slots of partitions move under load, beside kills of owners. */
async function move(trial) {
  const server = await trial.server();
  const cluster = await RedisCluster.start({ primaries: 3 });
  trial.closing(() => cluster.kill());
  const { startupNodes } = cluster;
  let moved = 0;
  const disturb = async (kill) => {
    const streams = await partitionsOf(cluster);
    const slots = await Promise.all(streams.slice(0, 8).map((stream) => cluster.slot(stream)));
    moved += slots.length;
    await cluster.move(new Set(slots), cluster.primaries[kill % 3]);
  };
  const given = { jobs: trial.times(20000, 2000), kills: trial.times(5, 1), startupNodes, disturb };
  const { figures } = await killOwners(trial, server, given);
  trial.mark('no error', trial.errors === 0);
  return trial.report({ ...figures, moved });
}

/** Primaries with partitions are killed, and come back as replicas. The lease of a partition can be lost then. */
async function failOver(trial) {
  const server = await trial.server();
  const cluster = await RedisCluster.start({ replicas: true });
  trial.closing(() => cluster.kill());
  const { startupNodes } = cluster;
  const disturb = async (kill) => {
    const victim = cluster.primaries[kill % cluster.primaries.length];
    victim.crash();
    await trial.sleep(4000);
    await victim.start();
    await cluster.settled();
  };
  const given = { jobs: trial.times(20000, 3000), kills: trial.times(3, 1), startupNodes, disturb, isOrdered: false };
  const { figures } = await killOwners(trial, server, given);
  return trial.report(figures);
}

module.exports = [
  { id: 'F31', title: 'kill -9 of owners of ordered partitions', run },
  { id: 'F32', title: 'slots of ordered partitions that move, and kill -9 of owners', run: move },
  { id: 'F33', title: 'kill -9 of primaries with ordered partitions, and of owners', run: failOver },
];
