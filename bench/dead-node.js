'use strict';

/*
 * Measures the effect of one dead node of three on producers: `node bench/dead-node.js [--seconds 30] [--rate 500]`. A table for
 * each way to die, this package with `eject` beside 2.2.0 and beside itself without.
 */

const { fork } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');
const { atRate } = require('./at-rate.js');
const { percentile } = require('./numbers.js');
const { say } = require('./say.js');
const { Servers } = require('./servers.js');
const { Subject } = require('./subject.js');

/** A send that takes longer is slow, in ms. */
const SLOW = 1000;
/** Maximum time of the last sends, in ms. */
const LIMIT = 20000;

const SUBJECTS = [
  { label: 'ours, eject', name: 'ours', eject: true },
  { label: 'ours', name: 'ours' },
  { label: 'hfxbus@2.2.0', name: 'hfxbus@2.2.0' },
];

const DEATHS = {
  killed: (server) => server.kill(),
  frozen: (server) => server.freeze(),
};

/** Pushes and sends jobs at a steady rate, whatever becomes of them, right after a node has died. */
async function measure({ name, eject }, how, load) {
  const { files } = await Subject.provide(name);
  const hfxbus = require(files.folder);
  const servers = new Servers();
  const nodes = await servers.provide({ topology: 'nodes' });
  const connection = hfxbus.ConnectionManager.nodes({ nodes: nodes.map(({ options }) => options), eject });
  const producer = new hfxbus.Producer(connection);
  if (!(await warmUp(producer, hfxbus))) throw new Error('a healthy bus fails');
  let tripped = Infinity;
  if (eject) {
    connection.once('eject', () => {
      tripped = performance.now();
    });
  }
  DEATHS[how](nodes[1]);
  const died = performance.now();
  const sends = [];
  await atRate(load, () => sends.push(new Send(producer, hfxbus)));
  await Promise.race([Promise.all(sends.map(({ done }) => done)), sleep(LIMIT)]);
  servers.stop();
  return summary(sends, tripped, died);
}

/** The same in a process of its own, which takes whatever is left with it; 2.2.0 prints each failure. */
function measureApart(...asked) {
  const child = fork(__filename, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced' });
  child.send(asked);
  return new Promise((resolve, reject) => {
    child.once('message', ({ figures, error }) => (error ? reject(new Error(error)) : resolve(figures)));
    child.once('exit', () => reject(new Error('the process that measures has ended')));
  });
}

async function warmUp(producer, hfxbus) {
  const sends = Array.from({ length: 100 }, () => new Send(producer, hfxbus));
  await Promise.all(sends.map(({ done }) => done));
  return sends.every(({ error }) => error === null);
}

/** One job: its payload, then its entry beside it. */
class Send {
  error = null;
  took = Infinity;

  constructor(producer, { DISTRIBUTED_ROUTING: route }) {
    this.began = performance.now();
    const job = producer.job();
    this.done = job
      .set('inbound', 'Hello ')
      .push()
      .then(() => producer.send({ stream: 'bench', job, route }))
      .catch((error) => {
        this.error = error;
      })
      .then(() => {
        this.took = performance.now() - this.began;
      });
  }
}

function summary(sends, tripped, died) {
  const took = sends.map((send) => send.took).sort((left, right) => left - right);
  const share = (some) => `${((100 * some.length) / sends.length).toFixed(2)} %`;
  const failed = sends.filter(({ error }) => error !== null);
  const later = sends.filter(({ began }) => began > tripped);
  const ms = (time) => (time === Infinity ? 'never' : `${Math.round(time)} ms`);
  return {
    sends: sends.length,
    slow: share(sends.filter((send) => send.took > SLOW)),
    failed: share(failed),
    codes: [...new Set(failed.map(({ error }) => error.code ?? error.name))].join(', '),
    p99: ms(percentile(took, 0.99)),
    longest: ms(took.at(-1)),
    'trips after': ms(tripped - died),
    'failed or slow after that':
      tripped === Infinity ? '' : later.filter((send) => send.error !== null || send.took > SLOW).length,
  };
}

async function main() {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '30' }, rate: { type: 'string', default: '500' } },
  });
  const load = { seconds: Number(values.seconds), rate: Number(values.rate) };
  for (const how of Object.keys(DEATHS)) {
    const rows = {};
    for (const subject of SUBJECTS) {
      say(`${subject.label}, a node is ${how}`);
      rows[subject.label] = await measureApart(subject, how, load);
    }
    console.log(`One of three nodes is ${how}; ${load.rate} jobs a second for ${load.seconds} s`);
    console.table(rows);
  }
}

if (process.send) {
  process.once('message', async (asked) => {
    const done = await measure(...asked).then(
      (figures) => ({ figures }),
      (error) => ({ error: error.message }),
    );
    process.send(done, () => process.exit());
  });
} else {
  main().catch((error) => {
    say(error.message);
    process.exitCode = 1;
  });
}
