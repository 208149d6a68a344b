'use strict';

const { SpreadLoad } = require('./spread-load.js');

const SERVERS = 3;
const PARTITIONS = 32;
/** Maximum time from the return of a server until a job of its partitions is done, in ms. */
const MOST = 3000;

/** `kill -9` of the servers of a bus in turn, each of which has a part of the partitions. They come back with their AOF. */
async function run(trial) {
  const start = () => trial.server('--appendonly', 'yes', '--appendfsync', 'always');
  const servers = await Promise.all(Array.from({ length: SERVERS }, start));
  const nodes = servers.map(({ options }) => options);
  const load = new SpreadLoad(trial, { nodes }, { streams: [trial.stream], partitions: PARTITIONS, awaits: false });
  const claiming = { claimInterval: 200, claimDeadline: 1000, retryLimit: 1000 };
  await load.start({ count: trial.times(10000, 3000), consumer: claiming });
  const kills = trial.times(6, 2);
  const recoveries = [];
  for (let nth = 0; nth < kills; nth++) {
    const victim = servers[nth % SERVERS];
    const isOnVictim = await load.laterOn(victim);
    victim.crash();
    await trial.sleep(50, 500);
    await victim.start();
    const up = performance.now();
    await trial.until(() => trial.ledger.firstDone(up, isOnVictim) !== null);
    recoveries.push(trial.ledger.firstDone(up, isOnVictim) - up);
  }
  await load.end();
  const recovery = Math.max(...recoveries);
  trial.mark('nothing lost', trial.ledger.missing.length === 0);
  trial.mark('nothing twice', trial.ledger.duplicates === 0);
  trial.mark('every send accepted', trial.ledger.refused === 0);
  trial.mark(`jobs of its partitions again within ${MOST} ms`, recovery <= MOST);
  return trial.report({ kills, recovery, ...load.waits() });
}

module.exports = { id: 'F5n', title: 'kill -9 of servers of nodes(), AOF always, partitions', original: false, run };
