'use strict';

const { RedisCluster } = require('../support/redis-cluster.js');
const { keys } = require('../support/keys.js');
const { SpreadLoad } = require('./spread-load.js');

/** Streams in as many slots, on all nodes. */
const STREAMS = 8;
const PARTITIONS = 32;
/** Number of slots, and number of slots that move at the usual size. */
const [SLOTS, MOVED] = [16384, 500];
/** After which a node counts as gone, in ms. */
const NODE_TIMEOUT = 1000;
/** Maximum time from the election of a primary until a job of its slots is done, in ms. */
const LATE = 2000;
const CLAIMS = { claimInterval: 200, claimDeadline: 1000, retryLimit: 1000 };
/** More jobs than slots, so that entries wait in the consumer, and at most `window` of them. `work` is in ms. */
const BUSY = { window: 200, awaits: true, work: [0, 20] };

/** Streams of a trial, their options, and the first version of Redis with these. */
const SPREADS = {
  '': { title: '' },
  p: { title: ', partitions', partitions: PARTITIONS },
  s: { title: ', partitions and sharded completions', partitions: PARTITIONS, completions: 'sharded', since: 7 },
  f: { title: ', partitions and fair dispatch', partitions: PARTITIONS, fair: { cap: 4, waiting: 100 }, ...BUSY },
  l: { title: ', partitions and a rate limit', partitions: PARTITIONS, limit: { max: 100, interval: 100 }, ...BUSY },
};

async function begin(trial, spread, { awaits, ...given }) {
  const cluster = await RedisCluster.start({ replicas: true });
  trial.closing(() => cluster.kill());
  const streams = spread.partitions ? [trial.stream] : await cluster.spread(STREAMS, 'stream', keys.stream);
  const { startupNodes } = cluster;
  const load = new SpreadLoad(trial, { startupNodes }, { streams, awaits, ...spread });
  await load.start(given);
  const names = spread.partitions ? await load.partitions(cluster.primaries) : streams.map(keys.stream);
  return { cluster, names, load };
}

/** Slots move under load, those of the streams among them; then one primary is failed over by hand. */
async function move(trial, spread) {
  const count = trial.times(10000, 1500);
  const { cluster, names, load } = await begin(trial, spread, { count, awaits: true, consumer: CLAIMS });
  const slots = new Set(await Promise.all(names.map((name) => cluster.slot(name))));
  while (slots.size < trial.times(MOVED, 20)) slots.add(Math.floor(trial.random.between(0, SLOTS - 1)));
  await cluster.move(slots, cluster.primaries[1]);
  await cluster.failOver(cluster.replicas[1]);
  const over = performance.now();
  await trial.until(() => trial.ledger.firstDone(over) !== null);
  const recovery = trial.ledger.firstDone(over) - over;
  await load.end();
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('every send accepted', trial.ledger.refused === 0);
  trial.mark('no error', trial.errors === 0);
  trial.mark('jobs again within 1 s', recovery <= 1000);
  return trial.report({ moved: slots.size, recovery, ...load.waits() });
}

/** Primaries are killed, one after the other, and come back as replicas. */
async function kill(trial, spread) {
  const count = trial.times(10000, 3000);
  const { cluster, names, load } = await begin(trial, spread, { count, awaits: false, consumer: CLAIMS });
  const kills = trial.times(3);
  const [elections, recoveries] = [[], []];
  for (let nth = 0; nth < kills; nth++) {
    const homes = await Promise.all(names.map((name) => cluster.home(name)));
    const primaries = [...new Set(homes)];
    const victim = primaries[nth % primaries.length];
    const name = names[homes.indexOf(victim)];
    const isLater = await load.laterOn(victim);
    victim.crash();
    const killed = performance.now();
    await trial.until(async () => (await cluster.home(name)) !== victim);
    elections.push(performance.now() - killed);
    const firstDone = () => trial.ledger.firstDone(killed + NODE_TIMEOUT, isLater);
    await trial.until(() => firstDone() !== null);
    recoveries.push(firstDone() - killed);
    await victim.start();
    await cluster.settled();
  }
  await load.end();
  trial.mark('nothing lost that a replica had', trial.ledger.missing.length === 0);
  trial.mark('every send accepted', trial.ledger.refused === 0);
  const late = Math.max(...recoveries.map((time, nth) => time - elections[nth]));
  trial.mark(`jobs again within ${LATE} ms of an election`, late <= LATE);
  const figures = {
    recovery: Math.max(...recoveries),
    election: Math.round(Math.max(...elections)),
    late: Math.round(late),
  };
  return trial.report({ kills, ...figures, ...load.waits() });
}

const faults = Object.entries(SPREADS).flatMap(([name, spread]) => [
  {
    id: `F5${name}`,
    title: `kill -9 of primaries of a Cluster${spread.title}`,
    original: false,
    since: spread.since,
    run: (trial) => kill(trial, spread),
  },
  {
    id: `F6${name}`,
    title: `slots that move, and a failover by hand${spread.title}`,
    original: false,
    since: spread.since,
    run: (trial) => move(trial, spread),
  },
]);

module.exports = faults;
