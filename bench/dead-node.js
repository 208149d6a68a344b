'use strict';

/*
 * What one dead node of three means for who sends: `node bench/dead-node.js [--seconds 30] [--rate 500]`. A table for
 * each way to die, this package with `eject` beside 2.2.0 and beside itself without.
 */

const { parseArgs } = require('node:util');
const { percentile } = require('./numbers.js');
const { say } = require('./say.js');
const { Servers } = require('./servers.js');
const { Subject } = require('./subject.js');

/** A send that takes longer is slow, in ms. */
const SLOW = 1000;
/** How long what was sent last may take, in ms. */
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

/** Pushes and sends jobs at a steady rate, whatever becomes of them, and has a node die before. */
async function measure({ name, eject }, die, { seconds, rate }) {
  const { files } = await Subject.provide(name);
  const hfxbus = require(files.folder);
  const servers = new Servers();
  const nodes = (await servers.provide(3)).map(({ options }) => options);
  const connection = hfxbus.ConnectionManager.nodes({ nodes, eject });
  const producer = new hfxbus.Producer(connection);
  const sends = [];
  const isOver = await warmUp(producer, hfxbus);
  if (!isOver) throw new Error('a healthy bus fails');
  const [victim] = (await servers.provide(3)).slice(1);
  const trip = new Promise((resolve) => eject && connection.once('eject', resolve));
  die(victim);
  const died = performance.now();
  let tripped = Infinity;
  trip.then(() => {
    tripped = performance.now();
  });
  await atRate({ seconds, rate }, () => sends.push(new Send(producer, hfxbus)));
  await Promise.race([
    Promise.all(sends.map(({ done }) => done)),
    new Promise((resolve) => setTimeout(resolve, LIMIT)),
  ]);
  victim.kill();
  servers.stop();
  connection.stop({ force: true }).catch(() => {});
  return summary(sends, tripped, died);
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

/** Does something so often, making up for ticks that come late. */
function atRate({ seconds, rate }, act) {
  const start = performance.now();
  let done = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const passed = Math.min(seconds, (performance.now() - start) / 1000);
      for (; done < passed * rate; done++) act();
      if (passed < seconds) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
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
    'failed or slow after the trip': later.filter((send) => send.error !== null || send.took > SLOW).length,
  };
}

async function main() {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '30' }, rate: { type: 'string', default: '500' } },
  });
  const load = { seconds: Number(values.seconds), rate: Number(values.rate) };
  for (const [how, die] of Object.entries(DEATHS)) {
    const rows = {};
    for (const subject of SUBJECTS) {
      say(`${subject.label}, a node is ${how}`);
      rows[subject.label] = await measure(subject, die, load);
    }
    console.log(`One of three nodes is ${how}; ${load.rate} jobs a second for ${load.seconds} s`);
    console.table(rows);
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    say(error.message);
    process.exit(1);
  },
);
