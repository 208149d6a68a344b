import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionManager, Producer } from 'hfxbus';
import { Client } from 'pg';

type Row = { position: string; id: string; stream: string; key: string | null; payload: object; send_at: Date | null };

const BATCH = 500;
const POLL = 1000;
const WINDOW = Number(process.env.OUTBOX_WINDOW ?? 3_600_000);

const connection = ConnectionManager.standalone({ url: process.env.REDIS_URL, commandTimeout: 5000 });
const producer = new Producer(connection);
const resting = new Set<string>();
let isStopping = false;
let isDue = true;
let wakeUp = () => {};
const wake = () => {
  isDue = true;
  wakeUp();
};

async function send({ id, stream, key, payload, send_at }: Row) {
  const job = producer.job(id);
  for (const [name, value] of Object.entries(payload)) job.set(name, value);
  const once = { value: id, ttl: WINDOW };
  await producer.send({ stream, job, id: once, key, at: send_at ?? undefined, payload: 'entry' });
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
      if (error instanceof TypeError || error instanceof RangeError) {
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
await connection.stop({ maxWait: 5000 });
