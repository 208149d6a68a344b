'use strict';

const { keys } = require('../support/keys.js');
const { countsEntries } = require('../support/stream-counts.js');

const CAPPED = 100;
const CLAIM_INTERVAL = 100;

/** A consumer that is slower than producers that keep but the latest entries. */
async function run(trial) {
  const server = await trial.server();
  await trial.consumer(server, {
    consumer: { concurrency: 1, claimInterval: CLAIM_INTERVAL, claimDeadline: 5000 },
    work: [5, 10],
  });
  await trial.producer(server, { count: trial.times(10000, 1000), window: 64, send: { capped: CAPPED } }).says('over');
  const key = keys.stream(trial.stream);
  // Until everything that is there has been read.
  await trial.until(async () => {
    const [group] = await server.call('XINFO', 'GROUPS', key);
    const last = group[group.indexOf('last-delivered-id') + 1];
    const newest = await server.call('XREVRANGE', key, '+', '-', 'COUNT', 1);
    const [pending] = await server.call('XPENDING', key, keys.group(trial.group));
    return newest[0][0] === last && pending === 0;
  });
  const lost = trial.ledger.missing.length;
  // The consumer looks every now and then, and must not find any more after that.
  await trial.until(() => trial.trimmed >= lost, 5000).catch(() => {});
  await trial.sleep(5 * CLAIM_INTERVAL);
  trial.mark('something was trimmed, or this shows nothing', lost > 0);
  if (await countsEntries(server, key)) {
    trial.mark('what was trimmed before it was read is counted by trimmed events', trial.trimmed === lost);
  } else {
    trial.mark('a Redis that does not count entries leads to no wrong number', trial.trimmed === 0);
  }
  return trial.report({ counted: trial.trimmed });
}

module.exports = { id: 'F26', title: 'trimmed before it was read', run };
