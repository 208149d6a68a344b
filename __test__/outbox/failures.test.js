'use strict';

const assert = require('node:assert');
const { until } = require('../support/wait-until.js');
const { outbox, upTo } = require('./scene.js');

/**
 * Kills a relay between a send and the deletion of its row. The row is locked, so the deletion waits, and ends without
 * an effect with its session.
 */
async function killBetween(scene, given) {
  await scene.write([1]);
  const lock = await scene.client();
  await lock.query('BEGIN');
  await lock.query('SELECT * FROM outbox FOR UPDATE');
  const relay = scene.relay(given);
  await scene.relays(1);
  const session = await until(() => deletingSession(scene), { timeout: 20_000 });
  relay.kill();
  await relay.exit();
  await scene.database.query('SELECT pg_terminate_backend($1, 5000)', [session]);
  await lock.query('ROLLBACK');
}

/** Resolves with the session of a relay that waits for the lock of a row that it deletes; `undefined` without any. */
async function deletingSession(scene) {
  const text = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM outbox%'";
  return (await scene.database.query(text)).rows[0]?.pid;
}

/** Resolves with the numbers in the stream after another relay has taken over. */
async function relayedByAnother(scene, given) {
  scene.relay(given);
  await scene.write([2]);
  await scene.drained();
  return scene.relayed();
}

outbox('a relay that is killed between the send and the deletion leaves one entry', async (_t, scene) => {
  await killBetween(scene);
  assert.deepStrictEqual(await relayedByAnother(scene), [1, 2]);
});

outbox('without an idempotency id that relay leaves two entries', async (_t, scene) => {
  await killBetween(scene, { variant: 'withoutId' });
  assert.deepStrictEqual(await relayedByAnother(scene, { variant: 'withoutId' }), [1, 1, 2]);
});

outbox('a relay that takes over after the window of the id sends the row again', async (_t, scene) => {
  const given = { variables: { OUTBOX_WINDOW: '300' } };
  await killBetween(scene, given);
  await until(async () => (await scene.redis.call('KEYS', 'hfxbus:once:*')).length === 0);
  assert.deepStrictEqual(await relayedByAnother(scene, given), [1, 1, 2]);
});

outbox('a relay that deletes before it sends loses rows when it is killed', async (_t, scene) => {
  scene.redis.freeze();
  const relay = scene.relay({ variant: 'deletesFirst' });
  await scene.write(upTo(5));
  await scene.drained();
  relay.kill();
  await relay.exit();
  scene.redis.thaw();
  scene.relay({ variant: 'deletesFirst' });
  await scene.write([5]);
  await scene.drained();
  await scene.relays(1);
  const relayed = await scene.relayed();
  assert.ok(relayed.length < 6 && relayed.includes(5), relayed.join());
});

outbox('a relay that deletes after it sends loses no row when it is killed during sends', async (_t, scene) => {
  scene.redis.freeze();
  const relay = scene.relay();
  await scene.write(upTo(5));
  await until(() => isReading(scene), { timeout: 20_000 });
  relay.kill();
  await relay.exit();
  scene.redis.thaw();
  scene.relay();
  await scene.write([5]);
  await scene.drained();
  const relayed = await scene.relayed();
  assert.deepStrictEqual(relayed.sort(), upTo(6));
});

/** Resolves with true if a relay has read rows. */
async function isReading(scene) {
  const text = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT * FROM outbox%' AND state = 'idle'";
  return (await scene.database.query(text)).rows.length > 0;
}

outbox('one of two relays sends, each row once, and the other takes over from it', async (_t, scene) => {
  const relays = ['relay 0', 'relay 1'].map((name) => scene.relay({ variables: { PGAPPNAME: name } }));
  await until(async () => (await relaySessions(scene)).length === 2, { timeout: 30_000 });
  await scene.write(upTo(500));
  await scene.drained();
  const sessions = await relaySessions(scene);
  // The last statement of the other relay is its question for the lock.
  const leaders = sessions.filter(({ query }) => !query.includes('pg_try_advisory_lock'));
  assert.strictEqual(leaders.length, 1, JSON.stringify(sessions));
  relays[Number(leaders[0].name.at(-1))].kill();
  await scene.write(upTo(500, 500));
  await scene.drained();
  assert.deepStrictEqual(
    (await scene.relayed()).sort((left, right) => left - right),
    upTo(1000),
  );
});

/** Resolves with the sessions of relays that have begun, with the last statement of each. */
async function relaySessions(scene) {
  const text = "SELECT application_name AS name, query FROM pg_stat_activity WHERE application_name LIKE 'relay %'";
  const { rows } = await scene.database.query(text);
  return rows.filter(({ query }) => /outbox WHERE|advisory/.test(query));
}

outbox('rows are relayed once although Redis is killed twice meanwhile', async (_t, scene) => {
  const keyOf = (number) => `key ${number % 5}`;
  scene.relay();
  let count = 0;
  const writing = { isOver: false };
  const writer = (async () => {
    while (!writing.isOver) {
      await scene.write(upTo(10, count), { keyOf });
      count += 10;
    }
  })();
  for (const goal of [200, 400]) {
    await scene.relays(goal);
    scene.redis.crash();
    await scene.redis.start();
  }
  await scene.relays(600);
  writing.isOver = true;
  await writer;
  await scene.drained();
  assert.deepStrictEqual(
    (await scene.relayed()).sort((left, right) => left - right),
    upTo(count),
  );
});

outbox(
  'rows are relayed once although Redis does not answer for longer than the time of a command',
  async (_t, scene) => {
    const keyOf = (number) => `key ${number % 5}`;
    const relay = scene.relay();
    await scene.write([0], { keyOf });
    await scene.drained();
    scene.redis.freeze();
    await scene.write(upTo(50, 1), { keyOf });
    await until(() => relay.stderr.includes('outbox'), { timeout: 30_000 });
    scene.redis.thaw();
    await scene.drained();
    const relayed = await scene.relayed();
    for (const key of upTo(5)) {
      assert.deepStrictEqual(
        relayed.filter((number) => number % 5 === key),
        upTo(51).filter((number) => number % 5 === key),
      );
    }
  },
);

outbox('a relay begins without Redis, and SIGTERM ends it while it sends', async (_t, scene) => {
  scene.redis.crash();
  const relay = scene.relay();
  await scene.write(upTo(10));
  await until(() => relay.stderr.includes('outbox'), { timeout: 40_000 });
  relay.signal('SIGTERM');
  const since = performance.now();
  assert.deepStrictEqual(await relay.exit(), { code: 0, signal: null });
  assert.ok(performance.now() - since < 20_000);
  await scene.redis.start();
  scene.relay();
  await scene.drained();
  assert.deepStrictEqual((await scene.relayed()).sort(), upTo(10));
});

outbox('committed rows are relayed once although PostgreSQL is killed meanwhile', async (_t, scene) => {
  const relay = scene.relay();
  await scene.write(upTo(300));
  await scene.relays(1);
  scene.postgres.crash();
  await scene.postgres.start();
  const database = await scene.client();
  await database.query('INSERT INTO outbox (stream, payload) VALUES ($1, $2)', ['orders', { number: 300 }]);
  await scene.drained(database);
  assert.deepStrictEqual(
    (await scene.relayed()).sort((left, right) => left - right),
    upTo(301),
  );
  assert.ok(relay.isRunning, relay.stderr);
});

outbox('a leader that is frozen loses its place to the other relay', async (_t, scene) => {
  const frozen = scene.relay();
  await scene.write([0]);
  await scene.drained();
  frozen.signal('SIGSTOP');
  // The server ends the session of a silent leader after 30 s; so does an administrator.
  await scene.database.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
  scene.relay();
  await scene.write([1]);
  await scene.drained();
  frozen.signal('SIGCONT');
  await scene.write([2]);
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), [0, 1, 2]);
});

outbox('SIGTERM ends a relay after the rows that it has begun, with exit code 0', async (_t, scene) => {
  const relay = scene.relay();
  await scene.write(upTo(2000));
  await scene.relays(1);
  relay.signal('SIGTERM');
  assert.deepStrictEqual(await relay.exit(), { code: 0, signal: null });
  const { rows } = await scene.database.query("SELECT (payload->>'number')::int AS number FROM outbox");
  const left = rows.map(({ number }) => number);
  const relayed = await scene.relayed();
  // Each row is either in the stream or in the table.
  assert.deepStrictEqual(
    [...relayed, ...left].sort((one, other) => one - other),
    upTo(2000),
  );
  assert.strictEqual(relay.stderr, '');
});

outbox('SIGTERM ends a relay while both servers are away', async (_t, scene) => {
  const relay = scene.relay();
  await scene.write([0]);
  await scene.drained();
  scene.redis.crash();
  scene.postgres.crash();
  await until(() => relay.stderr.includes('outbox'));
  const since = performance.now();
  relay.signal('SIGTERM');
  assert.deepStrictEqual(await relay.exit(), { code: 0, signal: null });
  assert.ok(performance.now() - since < 15_000);
  await scene.postgres.start();
});
