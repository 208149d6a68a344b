'use strict';

/** Maximum silence of a connection with a pending reply or handshake, and time of a read, in ms. */
const SOCKET_TIMEOUT = 1000;
const BLOCK_TIMEOUT = 1000;

/** Faults of networks, each applied to connections in use. */
const NETWORKS = {
  'black hole': async (trial, proxy) => {
    proxy.blackHole();
    await trial.sleep(trial.times(3000));
    proxy.letThrough();
  },
  reset: async (trial, proxy) => {
    for (let times = 0; times < 3; times++) {
      proxy.reset();
      await trial.sleep(50, 200);
    }
  },
  'half-close': async (_trial, proxy) => proxy.halfClose(),
  'byte by byte': (trial, proxy) =>
    during(
      trial,
      () => proxy.inPieces(1),
      () => proxy.inPieces(0),
    ),
  jitter: (trial, proxy) =>
    during(
      trial,
      () => proxy.delay(1, 500),
      () => proxy.delay(0),
    ),
  '64 kB/s': (trial, proxy) =>
    during(
      trial,
      () => proxy.throttle(64 * 1024),
      () => proxy.throttle(0),
    ),
  'cut in a reply': async (trial, proxy) => {
    const cuts = trial.times(8);
    for (let times = 0; times < cuts; times++) {
      proxy.cutAfter(trial.random.between(1, 4096));
      proxy.cut();
      await trial.sleep(100, 200);
    }
    proxy.cutAfter(0);
    proxy.cut();
  },
};

async function during(trial, begin, end) {
  begin();
  await trial.sleep(800);
  end();
}

async function run(trial) {
  const server = await trial.server();
  const proxy = await trial.proxy(server);
  const options = { socketTimeout: SOCKET_TIMEOUT, connectTimeout: SOCKET_TIMEOUT };
  const claiming = { claimInterval: 200, claimDeadline: 2000, retryLimit: 1000 };
  const payload = 300;
  const common = { options, payload };
  await trial.consumer(proxy, { ...common, consumer: { concurrency: 20, blockTimeout: BLOCK_TIMEOUT, ...claiming } });
  const producer = trial.producer(proxy, { ...common, count: 1e6, window: 8, pace: 5 });
  const recoveries = {};
  for (const [name, befall] of Object.entries(NETWORKS)) {
    const { done } = trial.ledger;
    await trial.until(() => trial.ledger.done > done + 20);
    await befall(trial, proxy);
    const since = performance.now();
    const isOver = () => trial.ledger.firstDone(since) !== null;
    // What 2.2.0 does not notice it never will.
    await trial.until(() => isOver() || performance.now() > since + 15000);
    recoveries[name] = isOver() ? Math.round(trial.ledger.firstDone(since) - since) : null;
    if (!isOver()) break;
  }
  producer.signal('SIGTERM');
  await producer.says('over', 15000).catch(() => {});
  await trial.drain({ limit: 15000, quiet: 4000 });
  const { ledger } = trial;
  trial.mark('nothing lost', ledger.missing.length === 0);
  trial.mark('no payload changed', ledger.wrong === 0);
  const noticed = SOCKET_TIMEOUT + BLOCK_TIMEOUT + 3000;
  trial.mark(
    'each noticed in time',
    Object.values(recoveries).every((time) => time !== null && time <= noticed),
  );
  return trial.report({ recovery: worst(recoveries), recoveries, wrong: ledger.wrong });
}

function worst(recoveries) {
  const times = Object.values(recoveries);
  return times.includes(null) ? null : Math.max(...times);
}

module.exports = { id: 'F8', title: 'networks that fail', original: true, run };
