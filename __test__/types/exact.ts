/** Compiles with `exactOptionalPropertyTypes`: an option that is undefined is as one that is not there. */
import { ConnectionManager, Consumer, DeadLetters, gracefulShutdown, Producer } from 'hfxbus';
import { type Chaos, EmbeddedRedis, type EmbeddedRedisOptions } from 'hfxbus/testing';

declare const none: undefined;

const chaos: Chaos = {
  seed: none,
  delay: none,
  dropConnection: none,
  duplicateDelivery: none,
  loseCompletion: none,
};
const everything: EmbeddedRedisOptions = {
  port: none,
  password: none,
  maxMemory: none,
  seed: none,
  clock: none,
  chaos: none,
};

export async function accepted(): Promise<void> {
  await EmbeddedRedis.start({ port: undefined });
  await EmbeddedRedis.start({ ...everything, chaos });
  const connection = new ConnectionManager({ standalone: {}, cluster: none, startupNodes: none, nodes: none });
  ConnectionManager.standalone({ url: none, host: none, port: none, tls: none, sentinels: none, retryStrategy: none });
  ConnectionManager.cluster([{ url: none, host: 'h', port: none }], { redisOptions: none, natMap: none });
  ConnectionManager.nodes({
    nodes: [{ sequence: none, staticRoutes: none }],
    eject: { failures: none, timeout: none },
  });
  const consumer = new Consumer(connection, { group: 'g', id: none, backoff: none, deadLetter: none, route: none });
  new Consumer(connection, { group: 'g', delOnSettle: none });
  consumer.process({ stream: 's', processor: () => {}, readFrom: none, deadline: none, prefetch: none });
  consumer.process({ stream: 's', processor: () => {}, results: { capped: none, ttl: none } });
  await consumer.play({ signal: none });
  await consumer.stats({ timeout: none });
  const producer = new Producer(connection);
  const job = await producer.send({ stream: 's', job: producer.job(none), waitFor: none, durable: { ttl: none } });
  await producer.send({ stream: 's', job: producer.job(), carry: none, payload: none, returns: none });
  job.results({ group: none, from: none, timeout: none, signal: none, onTrimmed: none });
  await producer.send({
    stream: 's',
    job: producer.job(),
    carry: { keys: none, maxValueSize: none, maxTotalSize: none },
  });
  await job.finished({ timeout: none, signal: none });
  await job.get('k', none).set('k', 1, none).pull({ signal: none });
  await new DeadLetters(connection, 's').list({ count: none, after: none });
  gracefulShutdown([], { timeout: none, signals: none, exit: none });
  await connection.stop({ maxWait: none, force: none });
}
