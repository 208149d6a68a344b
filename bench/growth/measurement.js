'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { cpuOf, connectionsOf } = require('../servers.js');
const { busBytes } = require('./bus-traffic.js');
const { Load } = require('./load.js');

/** Round trips before the measured ones, for each process. */
const WARM_UP = 500;

/**
 * Runs round trips on all primaries of a Cluster.
 *
 * @param {import('../../__test__/support/redis-cluster.js').RedisCluster} cluster
 * @param {{ completions: string, streams: string[], processes: number, inFlight: number, jobs: number, idle?: number }} wanted
 *   the numbers `inFlight` and `jobs` are of each process, `idle` is the time in which the bus is measured without jobs, in ms
 * @returns the figures of the run: µs, bytes and messages of each job
 */
async function measureRun(cluster, { completions, streams, processes, inFlight, jobs, idle = 3000 }) {
  const { startupNodes, primaries } = cluster;
  const unused = await connectionsOf(primaries);
  const loads = Array.from({ length: processes }, (_, at) => {
    return new Load({ startupNodes, streams, inFlight, completions, name: `${process.pid}-${at}` });
  });
  try {
    await Promise.all(loads.map((load) => load.begin()));
    await Promise.all(loads.map((load) => load.run(WARM_UP)));
    const connections = ((await connectionsOf(primaries)) - unused) / processes;
    const background = await idleTraffic(primaries, idle);
    const before = await countersOf(primaries);
    const used = await Promise.all(loads.map((load) => load.run(jobs)));
    const after = await countersOf(primaries);
    const total = processes * jobs;
    const each = after.cpu.map((cpu, at) => cpu - before.cpu[at]);
    const sum = each.reduce((all, cpu) => all + cpu);
    const elapsed = after.at - before.at;
    await Promise.all(loads.map((load) => load.end()));
    return {
      jobs: total,
      rate: total / (elapsed / 1000),
      serverCpu: sum / total,
      busiest: (Math.max(...each) / sum) * primaries.length,
      clientCpu: used.reduce((all, { cpu }) => all + cpu, 0) / total,
      busBytes: Math.max(0, after.bytes - before.bytes - background * elapsed) / total,
      busMessages: (after.messages - before.messages) / total,
      connections,
    };
  } finally {
    for (const load of loads) load.kill();
  }
}

/** Bytes that the nodes send each other in a ms without jobs. */
async function idleTraffic(primaries, duration) {
  const [before, start] = [busBytes(primaries), performance.now()];
  await sleep(duration);
  return (busBytes(primaries) - before) / (performance.now() - start);
}

async function countersOf(primaries) {
  const infos = await Promise.all(primaries.map((node) => node.call('CLUSTER', 'INFO')));
  return {
    at: performance.now(),
    bytes: busBytes(primaries),
    messages: infos.reduce((sum, info) => sum + published(info), 0),
    cpu: await Promise.all(primaries.map((node) => cpuOf([node]))),
  };
}

/** Messages of PUBLISH and SPUBLISH that a node has sent to other nodes. */
function published(info) {
  return [...info.matchAll(/^cluster_stats_messages_publish(?:shard)?_sent:(\d+)/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

module.exports = { measureRun };
