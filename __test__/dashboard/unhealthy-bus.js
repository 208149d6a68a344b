'use strict';

const { Child } = require('../support/child.js');
const { everySubject } = require('../support/implementations.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');
const { ConnectionManager, Consumer, Producer, UnrecoverableError } = require('../../index.js');

const OURS = everySubject.find(({ env }) => env === 'ours');
const PATIENCE = { timeout: 20_000 };

/**
 * A bus in which things went wrong. The group `mailer` of the stream `mails` did the job `done`, and its consumer was killed
 * over `held`. The group `archive` has no consumers. The group `bank` of `transfers` has dead-lettered `forged-1` to
 * `forged-3`, and `slow` fails again and again.
 */
class UnhealthyBus {
  #consumers = [];
  #timer = null;

  /**
   * @param {(words: string[]) => Promise<any>} call sends a command to Redis
   * @param {() => ConnectionManager} connect
   * @param {object} [options] options of a connection, for a consumer in a process of its own
   */
  constructor({ call, connect, options = null }) {
    this.call = call;
    this.connection = connect();
    this.producer = new Producer(this.connection);
    this.options = options;
  }

  async fill() {
    await this.call('XGROUP', 'CREATE', keys.stream('mails'), keys.group('archive'), '0', 'MKSTREAM');
    await this.#killConsumer();
    await this.send('mails', 'late', { to: 'bob@example.org' });
    await this.#failJobs();
  }

  /** Sends a job with a payload. */
  async send(stream, id, payload = {}) {
    const job = this.producer.job(id);
    for (const [key, value] of Object.entries(payload)) await job.set(key, value).push();
    await this.producer.send({ stream, job });
  }

  /** Starts a consumer. */
  async consume(stream, group, processor, options = {}) {
    const consumer = new Consumer(this.connection, { group, ...options });
    consumer.on('error', () => {});
    consumer.process({ stream, processor });
    await consumer.play();
    this.#consumers.push(consumer);
    return consumer;
  }

  /** Sends jobs all the time. The streams of `flows` get so many jobs in a second. */
  flow(flows) {
    let tick = 0;
    this.#timer = setInterval(() => {
      tick++;
      for (const [stream, perSecond] of Object.entries(flows)) {
        const count = Math.max(0, Math.round((perSecond * (1 + 0.5 * Math.sin(tick / 20))) / 10 + Math.random() - 0.5));
        for (let at = 0; at < count; at++) this.producer.send({ stream, job: this.producer.job() }).catch(() => {});
      }
    }, 100);
  }

  async stop() {
    clearInterval(this.#timer);
    await this.connection.stop({ force: true });
  }

  async #killConsumer() {
    if (this.options === null) {
      for (const id of ['held', 'done']) await this.send('mails', id, { to: 'ann@example.org' });
      const [stream, group] = [keys.stream('mails'), keys.group('mailer')];
      await this.call('XGROUP', 'CREATE', stream, group, '0');
      const reply = await this.call('XREADGROUP', 'GROUP', group, 'killed-consumer', 'STREAMS', stream, '>');
      await this.call('XACK', stream, group, reply[0][1][1][0]);
      return;
    }
    const child = new Child(OURS, hold, { options: this.options });
    await child.says('playing');
    for (const id of ['held', 'done']) await this.send('mails', id, { to: 'ann@example.org' });
    await child.says('held');
    await child.says('done');
    await until(
      async () => (await this.call('XPENDING', keys.stream('mails'), keys.group('mailer')))[0] === 1,
      PATIENCE,
    );
    child.kill();
    await child.exit();
  }

  async #failJobs() {
    const claims = { claimInterval: 20, claimDeadline: 20, retryLimit: 1e6, deadLetter: 'letters', concurrency: 4 };
    await this.consume('transfers', 'bank', fail, claims);
    for (const id of ['forged-1', 'forged-2', 'forged-3', 'slow']) await this.send('transfers', id, { amount: '12' });
    const areDead = async () => (await this.call('XLEN', keys.stream('letters'))) === 3;
    const isRepeated = async () => {
      const pending = await this.call('XPENDING', keys.stream('transfers'), keys.group('bank'), '-', '+', '10');
      return pending.some(([, , , deliveries]) => deliveries > 2);
    };
    await until(async () => (await areDead()) && (await isRepeated()), PATIENCE);
  }
}

async function fail(job) {
  if (job.id.startsWith('forged')) throw new UnrecoverableError(`no such account, ${job.id}`);
  if (job.id === 'slow') throw Object.assign(new Error('the bank is closed'), { code: 'CLOSED' });
}

async function hold({ hfxbus, options, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, { group: 'mailer', concurrency: 2 });
  consumer.process({
    stream: 'mails',
    processor: async (job) => {
      print(job.id);
      if (job.id === 'held') await new Promise(() => {});
    },
  });
  await consumer.play();
  print('playing');
}

/** Returns such a bus on a server of the tests. */
async function unhealthyBus(redis) {
  const bus = new UnhealthyBus({
    call: (...words) => redis.call(...words),
    connect: () => ConnectionManager.standalone(redis.options),
    options: redis.options,
  });
  await bus.fill();
  return bus;
}

module.exports = { UnhealthyBus, unhealthyBus };
