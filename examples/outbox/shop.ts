import { ConnectionManager, Consumer } from 'hfxbus';
import { Pool, type PoolClient } from 'pg';

const database = new Pool({ connectionString: process.env.DATABASE_URL });
const connection = ConnectionManager.standalone(process.env.REDIS_URL);

async function inTransaction(work: (client: PoolClient) => Promise<void>) {
  const client = await database.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
    client.release();
  } catch (error) {
    // Ends the connection, and so the transaction.
    client.release(true);
    throw error;
  }
}

// The row of the customer is locked before the job gets its position, so the jobs of a customer keep their order.
function order(customer: string, price: number) {
  return inTransaction(async (client) => {
    const pay = 'UPDATE customers SET balance = balance - $2 WHERE name = $1 RETURNING balance';
    const { rows } = await client.query(pay, [customer, price]);
    const insert = 'INSERT INTO outbox (stream, key, payload) VALUES ($1, $2, $3)';
    await client.query(insert, ['orders', customer, { order: { customer, price } }]);
    if (rows[0].balance < 0) throw new Error(`${customer} has too little`);
  });
}

await database.query('CREATE TABLE IF NOT EXISTS customers (name text PRIMARY KEY, balance integer NOT NULL)');
await database.query("INSERT INTO customers VALUES ('ann', 100)");

const consumer = new Consumer(connection, { group: 'shipping', concurrency: 1 });
const isShipped = new Promise<void>((resolve) => {
  consumer.process({
    stream: 'orders',
    fromId: '0',
    processor: async (job) => {
      const { order } = await job.get('order', false).pull();
      console.log(order.customer, order.price);
      if (order.price === 30) resolve();
    },
  });
});
await consumer.play();

await order('ann', 60);
await order('ann', 50).catch((error) => console.log(error.message));
// → ann has too little
await order('ann', 30);

await isShipped;
// → ann 60
// → ann 30
await connection.stop({ maxWait: 5000 });
await database.end();
