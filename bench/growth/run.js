'use strict';

const fs = require('node:fs');
const { parseArgs } = require('node:util');
const { keys } = require('../../__test__/support/keys.js');
const { RedisCluster } = require('../../__test__/support/redis-cluster.js');
const { spread } = require('../numbers.js');
const { say } = require('../say.js');
const { cell, markdown, written } = require('../table.js');
const { measureRun } = require('./measurement.js');

const USAGE = `npm run bench:growth -- [--primaries 1,3,6] [--rounds 3] [--jobs 10000] [--json FILE]

Runs round trips on Clusters of several sizes, with ordinary and with sharded completions in turn.
The rate of one machine does not grow with the number of nodes. The CPU of a job on each node is the figure to read.`;

const COMPLETIONS = ['published', 'sharded'];
/** Streams of each primary. */
const STREAMS = 4;
const PROCESSES = 2;
/** Round trips in flight in a process for each primary, so that each node has the same load at every size. */
const IN_FLIGHT = 32;

const COLUMNS = {
  rate: 'jobs/s',
  serverCpu: 'CPU of all nodes, µs/job',
  busiest: 'busiest node / fair share',
  busBytes: 'bytes between the nodes/job',
  busMessages: 'messages between the nodes/job',
  connections: 'connections/process',
  clientCpu: 'CPU of the processes, µs/job',
};

async function main() {
  const { values } = parseArgs({
    options: {
      primaries: { type: 'string', default: '1,3,6' },
      rounds: { type: 'string', default: '3' },
      jobs: { type: 'string', default: '10000' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const sizes = values.primaries.split(',').map(Number);
  const found = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const primaries of sizes) found.push(...(await measureSize(primaries, Number(values.jobs))));
  }
  const rows = sizes.flatMap((primaries) => COMPLETIONS.map((completions) => rowOf(found, primaries, completions)));
  console.log(markdown(['primaries', 'completions', ...Object.values(COLUMNS)], rows));
  if (values.json) fs.writeFileSync(values.json, `${JSON.stringify(found, null, 2)}\n`);
}

/** One Cluster, and a run of each kind of completion on it. */
async function measureSize(primaries, jobs) {
  const cluster = await RedisCluster.start({ primaries });
  try {
    const streams = await cluster.spread(STREAMS * primaries, `growth-${primaries}`, keys.stream);
    const runs = [];
    for (const completions of COMPLETIONS) {
      const inFlight = IN_FLIGHT * primaries;
      const run = await measureRun(cluster, { completions, streams, processes: PROCESSES, inFlight, jobs });
      say(`${primaries} primaries, ${completions}: ${written(run.serverCpu)} µs of the nodes for each job`);
      runs.push({ primaries, completions, ...run });
    }
    return runs;
  } finally {
    cluster.kill();
  }
}

function rowOf(found, primaries, completions) {
  const runs = found.filter((one) => one.primaries === primaries && one.completions === completions);
  return [primaries, completions, ...Object.keys(COLUMNS).map((name) => cell(spread(runs.map((run) => run[name]))))];
}

main().catch((error) => {
  say(error.message);
  process.exitCode = 1;
});
