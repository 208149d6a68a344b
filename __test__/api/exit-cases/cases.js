'use strict';

/*
 * Programs that call process.exit() from each place where the bus calls a program. Each gets `{ bus, options, exit, tell }` and
 * what `stage()` makes of them; `tell` sends a command to Redis on a connection that is not the bus's.
 */

const dc = require('node:diagnostics_channel');

const CLAIMS = { claimInterval: 20, claimDeadline: 200 };
const fail = () => Promise.reject(new Error('no'));
const never = () => new Promise(() => {});

/** Setup that all programs share. */
function stage({ bus, options }) {
  const connection = bus.ConnectionManager.standalone(options);
  const stream = 'stream';
  const group = 'group';
  const producer = new bus.Producer(connection);
  const send = (waitFor) => producer.send({ stream, job: producer.job(), waitFor });
  const play = async (processor, given, { on = {}, ...process } = {}) => {
    const consumer = new bus.Consumer(connection, { group, ...given });
    for (const [event, listener] of Object.entries(on)) consumer.on(event, listener);
    await consumer.process({ stream, processor, ...process }).play();
    return consumer;
  };
  return { connection, stream, group, producer, send, play };
}

const CASES = {
  'a processor': ({ exit }, { play, send }) => play(exit).then(() => send()),
  'a processor that has awaited a reply': async ({ exit }, { play, send }) => {
    await play((job) => job.get('key').pull().then(exit));
    await send();
  },
  'job.resolve().then': ({ exit }, { play, send }) => play((job) => job.resolve().then(exit)).then(() => send()),
  'job.reject().then': async ({ exit }, { play, send }) => {
    await play((job) => job.reject(new Error('no')).then(exit));
    await send();
  },
  'an abort of job.signal': async ({ exit }, { play, send }) => {
    const processor = (job) => new Promise(() => job.signal.addEventListener('abort', exit));
    await play(processor, {}, { deadline: 30 });
    await send();
  },
  'an error’s getter': async ({ exit }, { play, send }) => {
    await play(() => Promise.reject(Object.defineProperty(new Error('no'), 'more', { get: exit, enumerable: true })));
    await send();
  },
  'toJSON() of a value': ({ exit }, { producer }) => producer.job().set('key', { toJSON: exit }).push(),
  'a consumer’s error': async ({ exit }, { play, send }) => {
    const processor = (job) => job.resolve().then(() => Promise.reject(new Error('late')));
    await play(processor, {}, { on: { error: exit } });
    await send();
  },
  'a producer’s error': async ({ exit, tell, options }, { producer, stream }) => {
    producer.on('error', exit);
    await producer.listen(stream);
    tell('PUBLISH', `${options.keyPrefix}:chn:${stream}:${producer.id}`, '{');
  },
  'a manager’s error': async ({ exit }, { connection, send }) => {
    connection.on('error', exit).on('ready', () => {
      throw new Error('a listener that throws');
    });
    await send();
  },
  'a manager’s connect': ({ exit }, { connection, send }) => connection.on('connect', exit) && send(),
  'a manager’s ready': ({ exit }, { connection, send }) => connection.on('ready', exit) && send(),
  'a completion’s listener': async ({ exit }, { play, producer, stream, send }) => {
    producer.on(stream, exit);
    await Promise.all([producer.listen(stream), play(() => {})]);
    await send();
  },
  drained: ({ exit }, { play, send }) => play(() => {}, {}, { on: { drained: exit } }).then(() => send()),
  claimed: ({ exit }, { play, send }) => play(fail, CLAIMS, { on: { claimed: exit } }).then(() => send()),
  exhausted: async ({ exit }, { play, send }) => {
    await play(fail, { ...CLAIMS, retryLimit: 1 }, { on: { exhausted: exit } });
    await send();
  },
  retryStrategy: ({ bus, exit, options }) => {
    stage({ bus, options: { ...options, port: 1, retryStrategy: exit } }).send();
  },
  sentinelRetryStrategy: ({ bus, exit }) => {
    stage({
      bus,
      options: { sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'no', sentinelRetryStrategy: exit },
    }).send();
  },
  clusterRetryStrategy: ({ bus, exit }) => {
    const connection = bus.ConnectionManager.cluster([{ host: '127.0.0.1', port: 1 }], { clusterRetryStrategy: exit });
    new bus.Producer(connection).job().set('key', 1).push();
  },
  reconnectOnError: async ({ bus, exit, options }) => {
    const client = bus.ConnectionManager.standalone({ ...options, reconnectOnError: exit }).getClient('mine');
    await client.set(`${options.keyPrefix}:text`, 'text');
    await client.lpush(`${options.keyPrefix}:text`, 'item');
  },
  'a client’s event': ({ exit }, { connection }) => connection.getClient('mine').on('ready', exit),
  'a client’s reply': ({ exit }, { connection }) => connection.getClient('mine').ping().then(exit),
  'play().then': ({ exit }, { play }) => play(() => {}).then(exit),
  'pause().then': ({ exit }, { play }) => play(() => {}).then((consumer) => consumer.pause().then(exit)),
  'listen().then': ({ exit }, { producer }) => producer.listen().then(exit),
  'close().then': ({ exit }, { producer }) => producer.listen().then(() => producer.close().then(exit)),
  'push().then': ({ exit }, { producer }) => producer.job().set('key', 1).push().then(exit),
  'pull().then': ({ exit }, { producer }) => producer.job().get('key').pull().then(exit),
  'send().then': ({ exit }, { send }) => send().then(exit),
  'finished().then': async ({ exit }, { play, send, group }) => {
    await play(() => {});
    await (await send([group])).finished().then(exit);
  },
  'finished().catch': async ({ exit }, { send, group }) => (await send([group])).finished(20).catch(exit),
  'stop().then': ({ exit }, { play, connection }) => play(() => {}).then(() => connection.stop().then(exit)),
  'stop().then of a bus that hands a job back': async ({ exit }, { play, send, connection }) => {
    await play(() => connection.stop({ maxWait: 20 }).then(exit) && never());
    await send();
  },
  'gracefulShutdown()': ({ bus, exit }, { play, connection }) => {
    return play(() => {}).then((consumer) => bus.gracefulShutdown([consumer, connection]).shutDown().then(exit));
  },
  'the same tick as a push': ({ exit }, { producer }) => {
    producer.job().set('key', 1).push();
    exit();
  },
  'the tick after a push': ({ exit }, { producer }) => {
    producer.job().set('key', 1).push();
    process.nextTick(exit);
  },
  'a timer, while much is under way': async ({ exit }, { play, send }) => {
    await play(async () => {}, { concurrency: 50 });
    for (let count = 0; count < 1000; count++) send();
    setTimeout(exit, 20);
  },
  'a program whose exit handler uses the bus': async ({ exit }, { play, producer, send, connection }) => {
    await play(() => {});
    process.on('exit', () => {
      producer.job().set('key', 1).push();
      send();
      connection.stop();
    });
    exit();
  },
  uncaughtException: async ({ exit }, { play }) => {
    await play(() => {});
    process.on('uncaughtException', exit);
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
  },
  'an embedded server that runs': async ({ bus, exit, testing }) => {
    const { url } = await testing.EmbeddedRedis.start();
    await stage({ bus, options: url }).producer.job().set('key', 1).push().then(exit);
  },
};

for (const topic of ['send', 'sent', 'receive', 'settle', 'connection']) {
  CASES[`the channel hfxbus:${topic}`] = async ({ exit }, { play, send }) => {
    dc.channel(`hfxbus:${topic}`).subscribe(exit);
    await play(() => {});
    await send();
  };
}
for (const topic of ['claim', 'exhaust']) {
  CASES[`the channel hfxbus:${topic}`] = async ({ exit }, { play, send }) => {
    dc.channel(`hfxbus:${topic}`).subscribe(exit);
    await play(fail, { ...CLAIMS, retryLimit: topic === 'claim' ? 2 : 1 });
    await send();
  };
}

/** Cases that are about the process, and not about a thread of it. */
const OF_PROCESS = {
  'a signal': async ({ exit }, { play }) => {
    await play(never);
    process.on('SIGTERM', exit);
    process.kill(process.pid, 'SIGTERM');
  },
  'a signal that gracefulShutdown() hears as well': async ({ bus, exit }, { play, connection }) => {
    bus.gracefulShutdown([await play(never), connection]);
    process.on('SIGTERM', exit);
    process.kill(process.pid, 'SIGTERM');
  },
};

module.exports = { CASES, OF_PROCESS, stage };
