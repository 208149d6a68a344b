'use strict';

const assert = require('node:assert');
const { ConnectionManager, Consumer } = require('../../index.js');
const { until } = require('../support/wait-until.js');
const { outbox, upTo } = require('./scene.js');

outbox('a row is relayed once after its transaction was committed, and is deleted then', async (_t, scene) => {
  scene.relay();
  await scene.write(upTo(1200));
  await scene.drained();
  assert.deepStrictEqual(
    (await scene.relayed()).sort((left, right) => left - right),
    upTo(1200),
  );
});

outbox('a row of a transaction that was rolled back is never relayed', async (_t, scene) => {
  scene.relay();
  await scene.database.query('BEGIN');
  await scene.write([1, 2, 3]);
  await scene.database.query('ROLLBACK');
  await scene.write([4]);
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), [4]);
});

outbox('a row that is committed after a later one is relayed too', async (_t, scene) => {
  scene.relay();
  const late = await scene.client();
  await late.query('BEGIN');
  await late.query("INSERT INTO outbox (stream, payload) VALUES ('orders', '{\"number\": 1}')");
  await scene.write([2]);
  await scene.relays(1);
  await late.query('COMMIT');
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), [2, 1]);
});

outbox('a notification wakes the relay before its poll', async (_t, scene) => {
  scene.relay();
  const delays = [];
  await scene.write([0]);
  await scene.relays(1);
  for (const number of upTo(8, 1)) {
    const since = performance.now();
    await scene.write([number]);
    await scene.relays(number + 1);
    delays.push(performance.now() - since);
  }
  // By the poll alone they would take half a second on average.
  assert.ok(delays.sort((left, right) => left - right)[3] < 250, delays.join());
});

outbox('without notifications the poll finds rows', async (_t, scene) => {
  await scene.database.query('DROP TRIGGER notify_outbox ON outbox');
  scene.relay();
  for (const number of upTo(3)) {
    await scene.write([number]);
    await scene.relays(number + 1);
  }
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), upTo(3));
});

outbox('rows of a key keep their order, also in partitions', async (_t, scene) => {
  const keyOf = (number) => `key ${number % 7}`;
  await scene.write(upTo(700), { keyOf });
  await scene.write(upTo(700), { keyOf, stream: 'plain' });
  const partitioned = scene.relay({ variant: 'partitioned' });
  await scene.drained();
  partitioned.kill();
  let count = 0;
  for (const name of await scene.redis.call('KEYS', 'hfxbus:str:*')) {
    const numbers = await scene.relayed(name.slice('hfxbus:str:'.length));
    for (const key of upTo(7)) {
      const own = numbers.filter((number) => number % 7 === key);
      assert.deepStrictEqual(
        own,
        [...own].sort((left, right) => left - right),
      );
      count += own.length;
    }
  }
  assert.strictEqual(count, 1400);
});

outbox('a row that Redis cannot take is set aside with its error, and the others are relayed', async (_t, scene) => {
  const relay = scene.relay();
  await scene.database.query("INSERT INTO outbox (stream, key, payload) VALUES ('orders', 'a', $1)", [
    { number: -1, text: 'x'.repeat(2 ** 20) },
  ]);
  await scene.write(upTo(10), { keyOf: () => 'a' });
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), upTo(10));
  const { rows } = await scene.database.query('SELECT error FROM outbox');
  assert.strictEqual(rows.length, 1);
  assert.match(rows[0].error, /^RangeError: payload: 'entry' takes at most 1048576 bytes$/);
  assert.match(relay.stderr, /RangeError/);
});

outbox('a stream that Redis refuses does not block others, and its rows follow in order', async (_t, scene) => {
  await scene.redis.call('SET', 'hfxbus:str:refused', 'no stream');
  // More rows than the relay reads at once.
  await scene.write(upTo(1500), { stream: 'refused', keyOf: () => 'a' });
  await scene.write(upTo(10));
  const relay = scene.relay();
  await scene.relays(10);
  await until(() => relay.stderr.includes('WRONGTYPE'));
  await scene.redis.call('DEL', 'hfxbus:str:refused');
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed('refused'), upTo(1500));
});

outbox('rows wait while Redis takes no writes', async (_t, scene) => {
  await scene.redis.call('CONFIG', 'SET', 'min-replicas-to-write', '1');
  const relay = scene.relay();
  await scene.write(upTo(20), { keyOf: () => 'a' });
  await until(() => relay.stderr.includes('NOREPLICAS'));
  await scene.redis.call('CONFIG', 'SET', 'min-replicas-to-write', '0');
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), upTo(20));
});

outbox('values of every kind arrive at a processor, with the id of the row and its key', async (_t, scene) => {
  const payload = { text: 'Grüße \u{1f600}', none: null, number: 0.1, list: [1, { a: 'b' }], object: {}, yes: true };
  const insert = 'INSERT INTO outbox (stream, key, payload) VALUES ($1, $2, $3) RETURNING id';
  const { rows } = await scene.database.query(insert, ['orders', 'ann', payload]);
  await scene.database.query(insert, ['orders', null, {}]);
  const connection = ConnectionManager.standalone({ port: scene.redis.port });
  scene.closing(() => connection.stop({ maxWait: 2000 }));
  const consumer = new Consumer(connection, { group: 'group' });
  const received = [];
  consumer.process({
    stream: 'orders',
    fromId: '0',
    processor: async (job) => {
      for (const name of Object.keys(payload)) job.get(name, false);
      received.push([job.id, job.key, await job.pull()]);
    },
  });
  await consumer.play();
  scene.relay();
  await until(() => received.length === 2, { timeout: 30_000 });
  const first = received.find(([id]) => id === rows[0].id);
  assert.deepStrictEqual(first, [rows[0].id, 'ann', payload]);
  const [other] = received.filter((one) => one !== first);
  assert.deepStrictEqual(
    Object.values(other[2]),
    Object.keys(payload).map(() => null),
  );
});

outbox('a transaction with a payload that is no object fails', async (_t, scene) => {
  for (const payload of ['"text"', '[1]', '7', 'null']) {
    await assert.rejects(
      scene.database.query('INSERT INTO outbox (stream, payload) VALUES ($1, $2)', ['orders', payload]),
      /outbox_payload_check/,
    );
  }
});

outbox('rows with invalid keys and times are set aside', async (_t, scene) => {
  const insert = 'INSERT INTO outbox (stream, key, payload, send_at) VALUES ($1, $2, $3, $4)';
  await scene.database.query(insert, ['orders', 'x'.repeat(513), {}, null]);
  await scene.database.query(insert, ['orders', null, {}, new Date(Date.now() + 1000 * 86_400_000)]);
  await scene.database.query(insert, ['orders', null, { number: 1 }, null]);
  scene.relay();
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), [1]);
  const { rows } = await scene.database.query('SELECT error FROM outbox ORDER BY position');
  assert.deepStrictEqual(
    rows.map(({ error }) => /^(?:Type|Range)Error: (\w+)/.exec(error)?.[1]),
    ['key', 'at'],
  );
});

outbox('a row with a time is sent then', async (_t, scene) => {
  scene.relay();
  const insert = 'INSERT INTO outbox (stream, payload, send_at) VALUES ($1, $2, $3)';
  const add = (number, due) => scene.database.query(insert, ['orders', { number }, new Date(due)]);
  await add(1, Date.now() + 3_600_000);
  await add(2, Date.now() - 3_600_000);
  await scene.drained();
  assert.deepStrictEqual(await scene.relayed(), [2]);
  assert.strictEqual(await delayedSends(scene), 1);
  const due = Date.now() + 1500;
  await add(3, due);
  await scene.relays(2);
  const [, [id, fields]] = await scene.redis.call('XRANGE', 'hfxbus:str:orders', '-', '+');
  assert.deepStrictEqual([fields.includes('3'), Number(id.split('-')[0]) >= due], [true, true], `${id} ${due}`);
});

/** Resolves with the number of delayed sends that Redis has. */
async function delayedSends(scene) {
  const [key] = await scene.redis.call('KEYS', 'hfxbus:delayed:*:times');
  return key === undefined ? 0 : scene.redis.call('ZCARD', key);
}
