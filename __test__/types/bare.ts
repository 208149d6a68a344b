/** Compiles where neither Node's types nor any other package's are there. */
import { ConnectionManager, Consumer, eventStream, Producer } from 'hfxbus';

const connection = ConnectionManager.standalone({ tls: { ca: new Uint8Array(1) } });

export async function main(): Promise<void> {
  const consumer = new Consumer(connection, { group: 'g' }).on('error', (error) => error.code.length);
  consumer.emit('drained');
  const producer = new Producer(connection);
  const job = await producer.send({ stream: 's', job: producer.job().set('k', new Uint8Array(2)), waitFor: ['g'] });
  await job.finished(1000);
  const { k } = await job.get('k').pull<{ k: Uint8Array | null }>();
  k?.length.toFixed();
  consumer.process({ stream: 's', processor: (received) => received.signal.aborted });
  for await (const { id, value } of job.results<string>({ from: '' })) value.concat(id);
  for await (const bytes of eventStream(producer.results({ stream: 's', group: 'g', id: job.id })))
    bytes.length.toFixed();
  await consumer[Symbol.asyncDispose]();
}
