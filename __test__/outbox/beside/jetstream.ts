import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, InvalidArgumentError, nanos } from '@nats-io/transport-node';
import { Client } from 'pg';

type Row = { position: string; id: string; stream: string; key: string | null; payload: object; send_at: Date | null };

const BATCH = 500;
const POLL = 1000;
const WINDOW = Number(process.env.OUTBOX_WINDOW ?? 3_600_000);

const connection = await connect({
  servers: process.env.NATS_URL ?? '',
  maxReconnectAttempts: -1,
  waitOnFirstConnect: true,
});
const manager = await jetstreamManager(connection);
const bus = jetstream(connection);
const known = new Set<string>();
const resting = new Set<string>();
let isStopping = false;
let isDue = true;
let wakeUp = () => {};
const wake = () => {
  isDue = true;
  wakeUp();
};

async function provide(stream: string) {
  if (known.has(stream)) return;
  await manager.streams.add({ name: stream, subjects: [`${stream}.*`], duplicate_window: nanos(WINDOW) });
  known.add(stream);
}

async function send({ id, stream, key, payload }: Row) {
  await provide(stream);
  await bus.publish(`${stream}.${key ?? 'none'}`, JSON.stringify(payload), { msgID: id, timeout: 5000 });
}

// Rows of a key, one after the other. A failed stream rests, so that no row overtakes.
async function sendInOrder(database: Client, rows: Row[]) {
  const sent: string[] = [];
  for (const row of rows) {
    try {
      if (resting.has(row.stream)) break;
      await send(row);
      sent.push(row.position);
    } catch (error) {
      if (!resting.has(row.stream)) console.error('outbox', row.id, String(error));
      if (error instanceof InvalidArgumentError) {
        await database.query('UPDATE outbox SET error = $2 WHERE position = $1', [row.position, String(error)]);
      } else {
        resting.add(row.stream);
        setTimeout(() => resting.delete(row.stream), POLL).unref();
      }
    }
  }
  return sent;
}

async function relay(database: Client) {
  await database.query("SET idle_session_timeout = '30s'; LISTEN outbox");
  let isLeader = false;
  while (!isStopping) {
    isDue = false;
    if (!isLeader) {
      const { rows } = await database.query('SELECT pg_try_advisory_lock(688279) AS is_leader');
      isLeader = rows[0].is_leader;
    }
    if (isLeader) {
      const { rows } = await database.query<Row>(
        'SELECT * FROM outbox WHERE error IS NULL AND stream <> ALL($1) ORDER BY position LIMIT $2',
        [[...resting], BATCH],
      );
      const chains = new Map<string, Row[]>();
      for (const row of rows) {
        const name = row.key === null ? row.id : JSON.stringify([row.stream, row.key]);
        const chain = chains.get(name) ?? [];
        chain.push(row);
        chains.set(name, chain);
      }
      const sent = await Promise.all([...chains.values()].map((chain) => sendInOrder(database, chain)));
      if (rows.length > 0) await database.query('DELETE FROM outbox WHERE position = ANY($1)', [sent.flat()]);
      isDue ||= rows.length === BATCH;
    }
    if (!isDue && !isStopping) {
      await new Promise<void>((resolve) => {
        wakeUp = resolve;
      });
    }
  }
}

process.once('SIGTERM', () => {
  isStopping = true;
  wake();
});
const poll = setInterval(wake, POLL);
while (!isStopping) {
  const database = new Client({
    connectionString: process.env.DATABASE_URL,
    connectionTimeoutMillis: 5000,
    query_timeout: 20_000,
    keepAlive: true,
  });
  database.on('notification', wake);
  database.on('error', wake);
  try {
    await database.connect();
    await relay(database);
  } catch (error) {
    console.error('outbox', String(error));
    await sleep(POLL);
  }
  database.end().catch(() => {});
}
clearInterval(poll);
await connection.drain();
