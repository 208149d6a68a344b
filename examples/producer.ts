import { ConnectionManager, Producer } from 'hfxbus';

const connection = ConnectionManager.standalone({
  host: process.env.REDIS_HOST,
  port: parseInt(process.env.REDIS_PORT ?? '6379', 10),
  password: process.env.REDIS_PASSWORD,
});
const producer = new Producer(connection);

async function main(): Promise<void> {
  await producer.listen();
  const job = producer.job();
  await job.set('inbound', 'Hello ').push();
  await producer.send({ stream: 'concat', job, waitFor: ['worldConcat'] });
  await job.finished();
  const { outbound } = await job.get('outbound', false).del('inbound').del('outbound').pull();
  console.log(`Outbound is: ${outbound}`);
  await connection.stop();
}

main();
