/** Compiles where the language has `await using`, and where only Node's types know of it. */
import { ConnectionManager, Consumer, Producer } from 'hfxbus';

export async function main(): Promise<void> {
  await using connection = ConnectionManager.standalone();
  await using producer = new Producer(connection);
  await using consumer = new Consumer(connection, { group: 'g' });
  await consumer.play();
  producer.job();
}
