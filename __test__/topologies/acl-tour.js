'use strict';

const assert = require('node:assert');
const { until } = require('../support/wait-until.js');

/** Time of a lease of a partition, in ms. */
const LEASE = 300;

/** Parts of a tour with every option, in their order. */
const PARTS = [
  'consume',
  'payloads',
  'completions',
  'results',
  'deadLetters',
  'history',
  'once',
  'delays',
  'order',
  'share',
  'limit',
  'end',
];

/** Options of a connection that need a right. Subscribers that hear nothing ask for the server twice in a socketTimeout. */
const EVERY_OPTION = {
  ...{ connectionName: 'tour', db: 1, socketTimeout: 600 },
  ...{ retain: 'acknowledged', retainFor: 100, backlogLimit: 1000 },
};

/** A bus uses its features, on a stream that is called as its user. */
class Tour {
  errors = [];
  #isCutShort = false;

  /**
   * @param {string} username name of the user, and of the stream
   * @param {{ parts?: string[], options?: object, cluster?: object }} [plan] options of the connection, and its servers
   */
  constructor(scene, username, { parts = PARTS, options = EVERY_OPTION, cluster } = {}) {
    this.parts = parts;
    this.hfxbus = scene.hfxbus;
    this.stream = username;
    this.letters = `${username}-letters`;
    const user = { username, password: 'secret', retryStrategy: () => 50 };
    this.connection = cluster
      ? scene.connectCluster(cluster, { ...options, redisOptions: user })
      : scene.connect({ ...options, ...user });
    this.producer = new this.hfxbus.Producer(this.connection);
    this.producer.on('error', (error) => this.errors.push(error));
  }

  async run() {
    for (const part of this.parts) {
      this.#goOn();
      await this[part]();
    }
  }

  /** Ends it where it is; what is used after a stop would open connections again. */
  cutShort() {
    this.#isCutShort = true;
    return this.connection.stop({ force: true });
  }

  #goOn() {
    if (this.#isCutShort) throw new Error('cut short');
  }

  async end() {
    await this.producer.close();
    await this.consumer.pause();
    await this.connection.stop();
  }

  async consume() {
    await this.play({ claimInterval: 0 }, { prefetch: ['inbound'], setId: true });
    // A job makes the consumer known to Redis, so that the next one queries the other consumers of the group.
    await this.sendOne();
    await this.first.pause();
    const claiming = { claimInterval: 20, claimDeadline: 150, retryLimit: 2, deadLetter: this.letters };
    await this.play(claiming, { prefetch: ['inbound'], setId: true });
  }

  /** Plays without any option. */
  begin() {
    return this.play({ claimInterval: 0 }, {});
  }

  sendOne() {
    return this.finish(this.job('first'));
  }

  /** Plays; the second time the group is there, and is set. */
  async play(options, processing) {
    const { Consumer } = this.hfxbus;
    const consumer = new Consumer(this.connection, { group: 'group', concurrency: 4, blockTimeout: 400, ...options });
    consumer.on('error', (error) => this.errors.push(error));
    consumer.process({ stream: this.stream, processor: work, ...processing });
    await consumer.play();
    this.first ??= consumer;
    this.consumer = consumer;
  }

  async payloads() {
    const job = this.job('plain');
    await job.set('outbound', 'soon', 60_000).push();
    // This value leaves with the entry, and its removal with the settlement.
    job.set('inbound', 'hello');
    await this.finish(job);
    const { inbound, outbound } = await job.get('inbound', false).get('outbound', false).del('outbound').pull();
    assert.deepStrictEqual([inbound, outbound], [null, 'soon']);
  }

  /** Of a job that takes long Redis is asked how it is. */
  async completions() {
    const heard = new Promise((resolve) => this.producer.once(this.stream, (...args) => resolve(args)));
    await this.producer.listen(this.stream);
    await this.finish(this.job('slow'));
    assert.deepStrictEqual(await heard, [null, `${this.stream}:slow`, 'group']);
  }

  /** A job emits, and a reader follows. */
  async results() {
    const job = this.job('emits');
    await this.finish(job);
    const values = [];
    for await (const { value } of this.producer.results({ stream: this.stream, group: 'group', id: job.id })) {
      values.push(value);
    }
    assert.deepStrictEqual(values, [1, 2]);
  }

  async deadLetters() {
    const letters = new this.hfxbus.DeadLetters(this.connection, this.letters);
    const first = async () => {
      this.#goOn();
      return (await letters.list())[0];
    };
    const arrived = () => until(first, { what: 'the letter' });
    await this.producer.send({ stream: this.stream, job: this.job('hopeless') });
    await letters.replay(await arrived());
    assert.ok(await letters.drop(await arrived()));
  }

  /** An owner of ordered partitions takes, renews and releases them. */
  async order() {
    const consumer = new this.hfxbus.Consumer(this.connection, {
      group: 'group',
      claimInterval: 50,
      claimDeadline: 400,
    });
    consumer.on('error', (error) => this.errors.push(error));
    const owned = new Set();
    consumer.on('assigned', ({ partition }) => owned.add(partition));
    consumer.on('revoked', ({ partition }) => owned.delete(partition));
    const of = { stream: `${this.stream}-parts`, partitions: 2 };
    consumer.process({ ...of, ordered: { lease: LEASE }, processor: () => {} });
    await consumer.play();
    const owns = (count) => () => {
      this.#goOn();
      return owned.size === count;
    };
    await until(owns(2), { timeout: 20_000 });
    const since = performance.now();
    await this.finish(this.job('ordered'), { ...of, key: 'k' });
    await until(() => performance.now() > since + 2 * LEASE);
    await until(owns(2));
    await consumer.pause();
    await until(owns(0));
  }

  /** An entry waits for the slot, and its lease is renewed. */
  async share() {
    const consumer = new this.hfxbus.Consumer(this.connection, {
      group: 'group',
      concurrency: 1,
      claimInterval: 0,
      claimDeadline: LEASE,
    });
    consumer.on('error', (error) => this.errors.push(error));
    const of = { stream: `${this.stream}-shared` };
    // The lease of the second entry is due before the first job has ended.
    const processor = () => new Promise((resolve) => setTimeout(resolve, LEASE));
    consumer.process({ ...of, fair: { cap: 1 }, processor });
    await consumer.play();
    const jobs = ['a', 'b'].map((key) => this.finish(this.job(`of ${key}`), { ...of, key }));
    await Promise.all(jobs);
    await consumer.pause();
  }

  /** A job waits for the permits of its key, and goes back to its group with the pause. */
  async limit() {
    const consumer = new this.hfxbus.Consumer(this.connection, {
      group: 'group',
      claimInterval: 1000,
      blockTimeout: 400,
    });
    consumer.on('error', (error) => this.errors.push(error));
    const of = { stream: `${this.stream}-limited`, key: 'k' };
    const limit = { max: 1, interval: 3_600_000, key: true };
    await consumer.process({ stream: of.stream, limit, processor: () => {} }).play();
    await this.finish(this.job('permitted'), of);
    await this.producer.send({ ...of, job: this.job('refused') });
    const waits = async () => {
      this.#goOn();
      return (await consumer.stats()).waiting === 1;
    };
    await until(waits, { timeout: 20_000, what: 'the job without a permit' });
    await consumer.pause();
  }

  /** The second send of an id writes nothing. */
  async once() {
    const send = (name) => {
      this.#goOn();
      const job = this.job(name).set('inbound', name);
      return this.producer.send({ stream: this.stream, job, id: 'once', waitFor: ['group'] });
    };
    const first = await send('first of an id');
    assert.ok((await first.finished(20_000)).group instanceof Date);
    assert.strictEqual((await send('second of an id')).id, first.id);
  }

  async delays() {
    await this.cancel();
    await this.stats();
    await this.delayTwice();
  }

  /** Delays a send, and cancels another one. */
  async delay() {
    await this.cancel();
    const job = await this.sendLater('later', 50);
    assert.ok((await job.finished(20_000)).group instanceof Date);
  }

  async cancel() {
    await this.sendLater('never', 3_600_000);
    assert.ok(await this.producer.cancel({ stream: this.stream, id: 'never' }));
  }

  async stats() {
    const { streams } = await this.consumer.stats();
    assert.strictEqual(streams[0].delayed, 0);
  }

  /** Redis is asked for the entry of the second send. */
  async delayTwice() {
    await this.sendLater('later', 1000);
    const duplicate = await this.sendLater('later', 1000);
    assert.ok((await duplicate.finished(20_000)).group instanceof Date);
  }

  sendLater(name, delay) {
    this.#goOn();
    const job = this.job(name).set('inbound', name);
    return this.producer.send({ stream: this.stream, job, delay, id: name, waitFor: ['group'] });
  }

  /** Retention removes the entry. */
  async retain() {
    await this.sendOne();
    const isRemoved = async () => {
      this.#goOn();
      return (await this.connection.getClient('any').call('xinfo', 'STREAM', `hfxbus:str:${this.stream}`))[1] === 0;
    };
    await until(isRemoved, { timeout: 20_000, what: 'the removal' });
  }

  async partitions() {
    const consumer = new this.hfxbus.Consumer(this.connection, { group: 'group', claimInterval: 0, blockTimeout: 400 });
    consumer.on('error', (error) => this.errors.push(error));
    const of = { stream: `${this.stream}-parts`, partitions: 2 };
    await consumer.process({ ...of, processor: () => {} }).play();
    await this.finish(this.job('partitioned'), of);
    await consumer.pause();
  }

  /** Waits for the next entry. */
  async history() {
    const history = this.connection.history({ stream: this.stream, fromId: '$', live: true, blockTimeout: 100 });
    let entry;
    const read = history.next().then(({ value }) => {
      entry = value;
    });
    const isRead = async () => {
      this.#goOn();
      await this.finish(this.job('followed'));
      return entry !== undefined;
    };
    await Promise.all([read, until(isRead, { what: 'an entry of the history' })]);
    await history.return();
  }

  /** A job that no other tour has. */
  job(name) {
    return this.producer.job(`${this.stream}:${name}`);
  }

  async finish(job, of = { stream: this.stream }) {
    this.#goOn();
    const sent = await this.producer.send({ ...of, job, waitFor: ['group'], durable: true });
    assert.ok((await sent.finished(20_000)).group instanceof Date);
  }
}

async function work(job) {
  if (job.id.endsWith(':hopeless')) throw new Error('no');
  if (job.id.endsWith(':emits')) for (const value of [1, 2]) await job.emit(value);
  if (job.id.endsWith(':slow')) await new Promise((resolve) => setTimeout(resolve, 2500));
  // After a stop this would open a connection that nobody closes.
  if (job.signal.aborted) return;
  await job.get('inbound', false).del('inbound').pull();
}

module.exports = { Tour };
