import { ConnectionManager, Consumer } from 'hfxbus';

const connection = ConnectionManager.standalone({
  host: process.env.REDIS_HOST,
  port: parseInt(process.env.REDIS_PORT ?? '6379', 10),
  password: process.env.REDIS_PASSWORD,
});
const consumer = new Consumer(connection, { group: 'worldConcat' });

consumer.process({
  stream: 'concat',
  processor: async (job) => {
    const { inbound } = await job.get('inbound', false).pull();
    await job.set('outbound', `${inbound}world!`).push();
  },
});

process.on('SIGTERM', async () => {
  await consumer.pause(2000);
  await connection.stop({ maxWait: 2000 });
});

consumer.play().then(() => console.log('Waiting for jobs'));
