/** Calls that must compile, and what their results must be. */
import {
  ConnectionManager,
  Consumer,
  DeadLetters,
  DISTRIBUTED_ROUTING,
  gracefulShutdown,
  HFXBUS_ID_SIZE,
  type ICarryOptions,
  type IClaimedEntry,
  type IConnectionStats,
  type IConsumerError,
  type IConsumerOptions,
  type IConsumerStats,
  type IDeadLetter,
  type IDiagnostics,
  type IExhaustedEntry,
  type IJobCompletion,
  type IProducerError,
  type IProducerStats,
  type IReceivedJob,
  type IRedisClient,
  type IRedisClientPair,
  type IRedisCommands,
  type IRedisError,
  type IRedisResult,
  type ISentJob,
  type IStandaloneOptions,
  type IStreamProcessor,
  Job,
  Producer,
  setErrorKind,
  UnrecoverableError,
  withValue,
} from 'hfxbus';

/** Compiles only if both are the same type. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void {}

declare const env: { [name: string]: string | undefined };

export const managers: ConnectionManager[] = [
  ConnectionManager.cluster(['example.org:7000', 7001, { host: 'example.org' }], {
    clusterRetryStrategy: () => 5,
    scaleReads: 'all',
    natMap: { 'a:1': { host: 'b', port: 2 } },
    redisOptions: { password: 'p' },
  }),
  ConnectionManager.standalone(),
  ConnectionManager.standalone({}),
  ConnectionManager.standalone('rediss://user:password@example.org:6380/2'),
  ConnectionManager.standalone(new URL('redis://example.org')),
  ConnectionManager.standalone({ url: new URL('redis://example.org') }),
  ConnectionManager.standalone({ url: env.REDIS_URL }),
  ConnectionManager.standalone(env.REDIS_URL),
  ConnectionManager.nodes({ nodes: ['redis://a', new URL('redis://b'), { url: new URL('redis://c'), sequence: 1 }] }),
  ConnectionManager.cluster([new URL('redis://example.org'), { url: 'redis://example.org' }]),
  new ConnectionManager({ standalone: new URL('redis://example.org') }),
  ConnectionManager.standalone({ host: env.REDIS_HOST, port: parseInt(env.REDIS_PORT as string, 10) }),
  ConnectionManager.standalone({ port: env.REDIS_PORT, somethingElse: [1, 2] }),
  ConnectionManager.standalone({
    path: '/run/redis.sock',
    family: 6,
    username: 'u',
    password: 'p',
    db: 3,
    connectionName: 'c',
    tls: {
      ca: [new Uint8Array(1), 'pem'],
      cert: 'pem',
      key: new Uint8Array(1),
      servername: 's',
      rejectUnauthorized: false,
    },
    connectTimeout: 1,
    commandTimeout: 1,
    socketTimeout: 1,
    keepAlive: 1,
    noDelay: false,
    lazyConnect: true,
    enableOfflineQueue: false,
    maxQueuedCommands: 1,
    maxQueuedBytes: Infinity,
    enableReadyCheck: false,
    maxLoadingRetryTime: 1,
    maxRetriesPerRequest: null,
    retryStrategy: (times) => (times > 3 ? null : times * 10),
    reconnectOnError: (error) => error.message.startsWith('READONLY') && 2,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    keyPrefix: 'other',
    enablePipelining: false,
  }),
  ConnectionManager.standalone({
    sentinels: [{ host: 'h', port: 26379 }, { port: env.SENTINEL_PORT }],
    name: 'main',
    role: 'slave',
    sentinelUsername: 'u',
    sentinelPassword: 'p',
    sentinelTLS: { ca: 'pem' },
    enableTLSForSentinelMode: true,
    sentinelRetryStrategy: (times) => times,
    sentinelReconnectStrategy: null,
    sentinelCommandTimeout: 1,
    sentinelMaxConnections: 2,
    updateSentinels: false,
    failoverDetector: false,
    natMap: { '10.0.0.1:6379': { host: 'h', port: 7000 } },
    preferredSlaves: [{ ip: '10.0.0.1', port: '6379', prio: 1 }],
  }),
  ConnectionManager.standalone({ tls: true, retryStrategy: () => {}, reconnectOnError: null }),
  ConnectionManager.cluster([{ host: 'h', port: 1 }, 6379, 'h:1'], {
    redisOptions: { password: 'p' },
    maxRedirections: 3,
  }),
  ConnectionManager.nodes({ keyPrefix: 'k', nodes: [{ host: 'h', sequence: 2, staticRoutes: ['a', 5] }] }),
  ConnectionManager.nodes({ nodes: [{}], eject: true }),
  ConnectionManager.nodes({ nodes: [{}], eject: { failures: 1, timeout: 1, probeInterval: undefined } })
    .on('connect', ({ node, index }) => [node.length, index])
    .on('reconnecting', ({ error }) => error?.code)
    .on('eject', ({ host, port, path, index, failures, error }) => [host, port, path, index + failures, error.code])
    .once('readmit', (node) => node.index),
  new ConnectionManager({ standalone: { host: 'h' } }),
];
const [connection] = managers;

export const options: IStandaloneOptions = { host: 'h', stringNumbers: true };
const consumerOptions: IConsumerOptions = {
  group: 'g',
  concurrency: Infinity,
  readAhead: 16,
  claimInterval: NaN,
  route: DISTRIBUTED_ROUTING,
};

export async function jobs(): Promise<void> {
  const producer: Producer = new Producer(connection);
  const job: Job = producer.job().set('a', 1).set('b', Buffer.from('b'), 500).get('a').get('b', false).del('a');
  same<Awaited<ReturnType<typeof job.push>>, void>();
  const { anything } = await job.pull();
  same<typeof anything, any>();
  const typed = await job.pull<{ a: Buffer; b: string }>();
  same<typeof typed.b, string>();

  const sent = await producer.send({ job, stream: 's', capped: 10, waitFor: null, route: undefined });
  same<typeof sent, ISentJob>();
  const completions = await sent.finished<IJobCompletion>(1000);
  completions.g instanceof Date;
  await producer.send({ job, stream: 's', waitFor: ['g'], durable: true });
  await producer.send({ job, stream: 's', waitFor: ['g'], durable: { ttl: 60_000 } });
  const carry: ICarryOptions = { keys: ['a'], maxValueSize: 100, maxTotalSize: 200 };
  const frozen: readonly string[] = ['a'];
  for (const one of [true, false, ['a'], frozen, {}, carry, null])
    await producer.send({ job, stream: 's', carry: one });
  await producer.send({ job, stream: 's', payload: 'keys' });
  await producer.send({ job, stream: 's', waitFor: ['g'], payload: 'entry', returns: ['a'] });
  await producer.send({ job, stream: 's', waitFor: ['g'], payload: null, returns: frozen });
  const resent: Job = await producer.send({ job: sent, stream: 's', waitFor: ['g'], rejectOnError: true });
  await resent.finished();
  const { finished } = sent;
  await finished(5);
  await producer.listen();
  await producer.listen('s', 'a*');
  await producer.close();
}

export function events(producer: Producer, consumer: Consumer): void {
  producer.on('error', (error) => {
    same<typeof error, IProducerError>();
  });
  producer.addListener('s', (error, jobId, group) => {
    same<typeof error, any>();
    same<typeof jobId, string>();
    same<typeof group, string>();
  });
  consumer.on('error', (error) => {
    same<typeof error, IConsumerError>();
    same<typeof error.job, IReceivedJob | undefined>();
  });
  consumer.on('error', (error: Error & { job: Job }) => error.job.id);
  consumer.once('exhausted', (entry) => {
    const claimed: IClaimedEntry = entry;
    same<typeof claimed.idleTime, number>();
    same<typeof entry.data.job, string>();
  });
  const listener = (): void => {};
  const self: Consumer = consumer
    .once('drained', listener, { my: 'context' })
    .off('drained', listener, undefined, true)
    .removeListener('claimed')
    .removeAllListeners('error')
    .removeAllListeners()
    .on('anything', (one: number, two: string) => [one, two]);
  const heard: boolean = self.emit('anything', 1, '2');
  const counted: number = heard
    ? self.listenerCount('anything')
    : self.eventNames().length + self.listeners('a').length;
  counted.toFixed();
}

export async function stats(producer: Producer, consumer: Consumer): Promise<void> {
  const { streams, own, availableSlots, limitedFor } = await consumer.stats({ timeout: 100 });
  same<(typeof streams)[number]['lag'], number | null>();
  const counts: IProducerStats = await producer.stats();
  same<IConnectionStats, typeof own>();
  (counts.sent + counts.shared.bytesIn + availableSlots + limitedFor).toFixed();
  const again: IConsumerStats = await consumer.stats();
  again.resolved.toFixed();
}

export function watched(message: unknown): string {
  const { job, headers, outcome } = message as IDiagnostics['hfxbus:settle'];
  same<typeof job, IReceivedJob>();
  same<typeof headers, Record<string, string>>();
  const { error } = message as IDiagnostics['hfxbus:sent'];
  same<typeof error, IRedisError | undefined>();
  const { entry } = message as IDiagnostics['hfxbus:exhaust'];
  same<typeof entry, IExhaustedEntry>();
  const { client, node } = message as IDiagnostics['hfxbus:connection'];
  return outcome === 'abandoned' ? job.id : (client ?? node ?? '');
}

export function consumers(): Consumer {
  const processor: IStreamProcessor = async (job) => {
    same<typeof job, IReceivedJob>();
    await job.release().get('a').pull();
    if (job.resolve) await job.resolve();
    else await job.reject(new TypeError('no'));
  };
  class Work extends Consumer {
    constructor() {
      super(connection, { ...consumerOptions, id: 'me' });
    }
  }
  return new Work()
    .process({ stream: 's', processor })
    .process({ stream: 's', batch: { size: 5 }, processor: (jobs) => jobs.map((job) => job.id.length) })
    .process({ stream: 's', batch: null, processor: (job) => job.id.length })
    .process({ stream: 's', fair: true, processor: (job) => job.id.length })
    .process({ stream: 's', partitions: 4, fair: { cap: 3, waiting: 100 }, processor: (job) => job.id.length })
    .process({ stream: 's', limit: { max: 5, interval: 1000, key: true }, processor: (job) => job.id.length })
    .process({ stream: 's', limit: null, batch: { size: 5 }, processor: (jobs) => jobs.length })
    .process({
      stream: 's',
      processor: (job) => job.id,
      readFrom: '0',
      fromId: '$',
      deadline: 0,
      setId: true,
      prefetch: ['inbound'],
    })
    .process({ stream: 's', processor: async (job: Job): Promise<void> => void job.id });
}

export async function clients(): Promise<void> {
  const client = connection.getClient('mine');
  client.on('error', (error) => {
    same<typeof error, IRedisError>();
  });
  client.once('ready', () => {});
  const length = await client.call<number>('xlen', 's');
  same<typeof length, number>();
  const value = await client.get<string | null>('k');
  same<typeof value, string | null>();
  const added = await client.zadd('z', 1, 'a');
  same<typeof added, any>();
  await client.getBuffer<Uint8Array>(new Uint8Array(1));
  await client.callBuffer('get', ['k']);
  await client.hset('h', { a: 1, b: null }, undefined);
  await client.hmset('h', new Map([['a', 1n]]));
  await client.msetBuffer({ a: true });
  await client.mget('a', ['b', 'c']);
  await client.setex('k', 5, new Date());
  await client['restore-asking']('k');
  const chained = await client
    .pipeline()
    .set('a', 1)
    .getBuffer('a')
    .hset('h', { a: 1 })
    .call('get', 'a')
    .exec<string>();
  same<typeof chained, Array<IRedisResult<string>>>();
  same<(typeof chained)[0][1], string>();
  const transacted = await client
    .multi([['incr', 'a']])
    .get('a')
    .exec();
  same<typeof transacted, Array<IRedisResult> | null>();
  const begun = await client.multi({ pipeline: false });
  same<typeof begun, 'OK'>();
  await client.pipeline().multi().set('a', 1).exec().get('a').exec();
  client.pipeline().length.toFixed();
  const pair: IRedisClientPair = { blocking: Object.assign(client, { xretry: null }), aux: client };
  const named: IRedisClient & IRedisCommands = pair.aux;
  await named.exists('a');
  for (const [error, result] of await client
    .pipeline([
      ['get', 'a'],
      ['set', Buffer.from('b'), 1],
    ])
    .exec()) {
    same<typeof error, IRedisError | null>();
    same<typeof result, any>();
  }
  const { status, keyPrefix, enablePipelining, usedBy, stopped, boundProducers } = client;
  same<typeof status, string>();
  same<typeof keyPrefix, string>();
  same<typeof enablePipelining, boolean>();
  [usedBy, stopped, boundProducers?.size];
  new Job(client);
  connection.getClients('mine')[0].disconnect();
  await connection.getClientByRoute('mine', 'r').quit();
  await connection.stop();
  await connection.stop({ maxWait: undefined, force: false });
}

same<typeof HFXBUS_ID_SIZE, 16>();
export const kind: string | undefined = setErrorKind(new TypeError('t'), 'KIND').code;
export const defined: boolean = withValue({}, 'a', 1);

export async function claiming(connection: ConnectionManager): Promise<void> {
  const consumer = new Consumer(connection, {
    group: 'g',
    claimInterval: 1000,
    retryLimit: Infinity,
    backoff: { type: 'exponential', delay: 100, max: 1000, jitter: 0.5 },
    deadLetter: 'dead',
    removeIdleConsumers: 86_400_000,
  });
  new Consumer(connection, { group: 'g', backoff: null, deadLetter: undefined });
  consumer.on('claimed', (entry) => same<typeof entry, IClaimedEntry>());
  consumer.on('exhausted', (entry) => same<typeof entry, IExhaustedEntry>());
  consumer.on('trimmed', ({ stream, count, pending }) => stream.repeat(pending ? count : 0));
  consumer.process({
    stream: 's',
    processor: async (job) => {
      same<typeof job.signal, AbortSignal>();
      await fetch('http://example.org', { signal: job.signal });
      throw new UnrecoverableError('no use');
    },
  });
  const letters = new DeadLetters(connection, 'dead');
  const [letter] = await letters.list();
  same<typeof letter, IDeadLetter>();
  await letters.list({ count: 5, after: letter });
  const [sent, isGone] = [await letters.replay(letter), await letters.drop(letter)];
  same<typeof sent, string>();
  same<typeof isGone, boolean>();
}

export async function ending(connection: ConnectionManager, sent: ISentJob, consumer: Consumer): Promise<void> {
  const { signal } = new AbortController();
  await consumer.play({ signal });
  await sent.finished({ timeout: 5, signal });
  await sent.finished({ signal: AbortSignal.timeout(5) });
  const { k } = await sent.get('k').pull<{ k: string }>({ signal });
  same<typeof k, string>();
  const ending = gracefulShutdown([consumer, connection, new Producer(connection)], {
    timeout: 5,
    signals: ['SIGHUP'],
  });
  gracefulShutdown(connection, { exit: false }).cancel();
  await ending.shutDown();
  for (const one of [connection, consumer, new Producer(connection)]) await one[Symbol.asyncDispose]();
}
