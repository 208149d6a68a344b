/** Calls that must not compile. */
import {
  ConnectionManager,
  Consumer,
  DeadLetters,
  DISTRIBUTED_ROUTING,
  gracefulShutdown,
  HFXBUS_ID_SIZE,
  Job,
  Producer,
  type RedisClient,
} from 'hfxbus';

declare const connection: ConnectionManager;
declare const producer: Producer;
declare const consumer: Consumer;
declare const job: Job;
declare const client: RedisClient;

export function rename(): void {
  // @ts-expect-error a job keeps its id
  job.id = 'other';
}

export function refused(): unknown[] {
  return [
    // @ts-expect-error a number is neither options nor a URL
    ConnectionManager.standalone(6379),
    // @ts-expect-error a port is no object
    ConnectionManager.standalone({ port: {} }),
    // @ts-expect-error a role is one of two
    ConnectionManager.standalone({ sentinels: [], role: 'primary' }),
    // @ts-expect-error a delay is a number
    ConnectionManager.standalone({ retryStrategy: () => 'soon' }),
    // @ts-expect-error nodes have nodes
    ConnectionManager.nodes({ keyPrefix: 'k' }),
    // @ts-expect-error so often is a number
    ConnectionManager.nodes({ nodes: [], eject: { failures: 'often' } }),
    // @ts-expect-error a producer is on a connection
    new Producer(),
    // @ts-expect-error not on options for one
    new Producer({ host: 'h' }),
    // @ts-expect-error a consumer has a group
    new Consumer(connection, {}),
    // @ts-expect-error a consumer has options
    new Consumer(connection),
    // @ts-expect-error a name that is misspelt
    new Consumer(connection, { group: 'g', concurency: 1 }),
    // @ts-expect-error a number is no route
    new Consumer(connection, { group: 'g', route: 5 }),
    // @ts-expect-error a stream has a processor
    consumer.process({ stream: 's' }),
    // @ts-expect-error a processor is called with a job
    consumer.process({ stream: 's', processor: (one: number) => one }),
    // @ts-expect-error a batch has several jobs
    consumer.process({ stream: 's', batch: { size: 5 }, processor: (one: Job) => one }),
    // @ts-expect-error fair dispatch has no weights
    consumer.process({ stream: 's', fair: { weight: 5 }, processor: () => {} }),
    // @ts-expect-error a rate limit has an interval
    consumer.process({ stream: 's', limit: { max: 5 }, processor: (one: Job) => one }),
    // @ts-expect-error a batch has a size
    consumer.process({ stream: 's', batch: { wait: 5 }, processor: (jobs) => jobs }),
    // @ts-expect-error jobs are sent as an array
    producer.sendAll({ stream: 's', job }),
    // @ts-expect-error what is sent is a job
    producer.send({ stream: 's' }),
    // @ts-expect-error what is sent is sent somewhere
    producer.send({ job }),
    // @ts-expect-error groups are listed
    producer.send({ stream: 's', job, waitFor: 'g' }),
    // @ts-expect-error a time to live is a number
    producer.send({ stream: 's', job, waitFor: ['g'], durable: { ttl: '1h' } }),
    // @ts-expect-error a payload key in carry is in an array
    producer.send({ stream: 's', job, carry: 'k' }),
    // @ts-expect-error a limit of carried values is a number
    producer.send({ stream: 's', job, carry: { maxValueSize: '1 KiB' } }),
    // @ts-expect-error a limit of carried values is misspelt
    producer.send({ stream: 's', job, carry: { maxSize: 5 } }),
    // @ts-expect-error a payload has one of two places
    producer.send({ stream: 's', job, payload: 'stream' }),
    // @ts-expect-error keys to return are in an array
    producer.send({ stream: 's', job, waitFor: ['g'], returns: 'k' }),
    // @ts-expect-error delOnSettle is a boolean
    new Consumer(connection, { group: 'g', delOnSettle: ['k'] }),
    // @ts-expect-error streams are names
    producer.listen(['s']),
    // @ts-expect-error a listener is a function
    producer.on('s', 'listener'),
    // @ts-expect-error a received job's methods are not a sent one's
    producer.send({ stream: 's', job }).then((sent) => sent.resolve()),
    // @ts-expect-error a key has a value
    job.set('k'),
    // @ts-expect-error a route of its own kind
    DISTRIBUTED_ROUTING as string,
    // @ts-expect-error it is 16
    HFXBUS_ID_SIZE satisfies 17,
    // @ts-expect-error an object is no word
    client.get({}),
    // @ts-expect-error nor is a function
    client.get('k', () => {}),
    // @ts-expect-error no such command
    client.nosuch('k'),
    // @ts-expect-error a connection of the bus is no subscriber
    client.subscribe('c'),
    // @ts-expect-error nor does a pipeline make one of it
    client.pipeline().monitor(),
    // @ts-expect-error a list of commands is a list of lists
    client.pipeline(['get', 'k']),
    // @ts-expect-error a time is a number
    connection.stop({ maxWait: '5' }),
    // @ts-expect-error a wait grows in one of two ways
    new Consumer(connection, { group: 'g', backoff: { type: 'linear', delay: 5 } }),
    // @ts-expect-error a wait has a length
    new Consumer(connection, { group: 'g', backoff: { type: 'fixed' } }),
    // @ts-expect-error dead letters are in a stream
    new Consumer(connection, { group: 'g', deadLetter: true }),
    // @ts-expect-error a signal is one of AbortController's
    consumer.play({ signal: 'SIGTERM' }),
    // @ts-expect-error a letter is one of list()
    new DeadLetters(connection, 's').drop('1-0'),
    // @ts-expect-error what ends is a consumer, a producer or a manager
    gracefulShutdown([job]),
  ];
}
