'use strict';

/* That docs/production.md names the rights which a bus needs, and no other. */

const assert = require('node:assert');
const { ours, oursWithin } = require('../support/cases.js');
const { documentedRights } = require('../support/documented-rights.js');
const { until } = require('../support/wait-until.js');

const { rules, commands } = documentedRights();
/** Time of a lease of a partition, in ms. */
const LEASE = 300;
/** Number of users that are tried at a time. */
const AT_ONCE = 8;

/** A user with some of the documented rights, and its name. */
async function addUser(scene, granted, redis = scene.redis) {
  const username = scene.name('user');
  const given = rules.map((rule) => (rule.startsWith('>') ? '>secret' : rule));
  await redis.call('ACL', 'SETUSER', username, ...given, ...granted, `&hfxbus:chn:${username}:*`);
  return username;
}

/** Returns the commands that a user was refused. */
async function refusals(username, redis) {
  const log = await redis.call('ACL', 'LOG', 1000);
  const at = (entry, name) => entry[entry.indexOf(name) + 1];
  return log.filter((entry) => at(entry, 'username') === username).map((entry) => at(entry, 'object'));
}

/** A bus does everything that the rights are for, on a stream that is called as its user. */
class Tour {
  errors = [];
  #isCutShort = false;

  constructor(scene, username) {
    this.hfxbus = scene.hfxbus;
    this.stream = username;
    this.letters = `${username}-letters`;
    // Subscribers that hear nothing ask whether the server is there twice in a socketTimeout.
    const options = { username, password: 'secret', connectionName: username, db: 1, socketTimeout: 600 };
    const retention = { retain: 'acknowledged', retainFor: 100, backlogLimit: 1000 };
    this.connection = scene.connect({ ...options, ...retention, retryStrategy: () => 50 });
    this.producer = new this.hfxbus.Producer(this.connection);
    this.producer.on('error', (error) => this.errors.push(error));
  }

  async run() {
    for (const part of ['consume', 'payloads', 'completions', 'deadLetters', 'history', 'order', 'end']) {
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
    await this.play({ claimInterval: 0 });
    // A job makes the consumer known to Redis, so that the next one queries the other consumers of the group.
    await this.finish(this.job('first'));
    await this.first.pause();
    await this.play({ claimInterval: 20, claimDeadline: 150, retryLimit: 2, deadLetter: this.letters });
  }

  /** Plays; the second time the group is there, and is set. */
  async play(options) {
    const { Consumer } = this.hfxbus;
    const consumer = new Consumer(this.connection, { group: 'group', concurrency: 4, blockTimeout: 400, ...options });
    consumer.on('error', (error) => this.errors.push(error));
    consumer.process({ stream: this.stream, processor: work, prefetch: ['inbound'], setId: true });
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

  /** An owner of ordered partitions takes, renews and releases them, and its jobs have a rate limit. */
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
    const limit = { max: 100, interval: 1000 };
    consumer.process({ ...of, limit, ordered: { lease: LEASE }, processor: () => {} });
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
  if (job.id.endsWith(':slow')) await new Promise((resolve) => setTimeout(resolve, 2500));
  // After a stop this would open a connection that nobody closes.
  if (job.signal.aborted) return;
  await job.get('inbound', false).del('inbound').pull();
}

ours('with the documented rights a bus can do everything, and is refused nothing', async (_, scene) => {
  const username = await addUser(scene, commands);
  const tour = new Tour(scene, username);
  await tour.run();
  assert.deepStrictEqual(tour.errors, []);
  assert.deepStrictEqual(await refusals(username, scene.redis), []);
});

oursWithin(120_000)('each of the documented rights is needed', async (_, scene) => {
  assert.ok(commands.length > 25);
  const left = [...commands];
  const missing = [];
  const tryEach = async () => {
    for (let right = left.pop(); right !== undefined; right = left.pop()) {
      if (!(await isNeeded(scene, right))) missing.push(right);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tryEach));
  assert.deepStrictEqual(missing, []);
});

/** Returns true if a bus without a right is refused its command. */
async function isNeeded(scene, right) {
  const [name, parent] = [right.slice(1), right.slice(1).split('|')[0]];
  const username = await addUser(
    scene,
    commands.filter((other) => other !== right),
  );
  const tour = new Tour(scene, username);
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  const running = tour.run().then(end, end);
  // Redis 6.2 does not say which subcommand.
  const isRefused = async () => {
    const was = isOver;
    const objects = await refusals(username, scene.redis);
    return objects.some((object) => object === name || object === parent) ? 'refused' : was && 'not refused';
  };
  const outcome = await until(isRefused, { timeout: 30_000, what: `the end without ${name}` });
  await tour.cutShort();
  await running;
  await tour.connection.stop({ force: true });
  return outcome === 'refused';
}

ours('on a Cluster a bus also needs the right to query its slots', async (_, scene) => {
  const cluster = await scene.cluster();
  const granted = [...commands, '+cluster|slots', '+asking'];
  const username = scene.name('user');
  const given = rules.map((rule) => (rule.startsWith('>') ? '>secret' : rule));
  for (const node of cluster.nodes) await node.call('ACL', 'SETUSER', username, ...given, ...granted);
  const connection = scene.connectCluster(cluster, { redisOptions: { username, password: 'secret' } });
  const consumer = await scene.play(async () => {}, { connection, claimInterval: 20 });
  const producer = scene.producer(connection);
  const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor: [scene.group] });
  assert.ok((await job.finished(10_000))[scene.group] instanceof Date);
  await consumer.pause();
  await connection.stop();
  for (const node of cluster.nodes) assert.deepStrictEqual(await refusals(username, node), []);
});
