'use strict';

const assert = require('node:assert');

const CLAIMS = { claimInterval: 50, claimDeadline: 300, concurrency: 16 };

/** A consumer of ordered partitions that plays, with the partitions it owns by fencing number, and its errors. */
async function playOrdered(scene, processor, { partitions = 4, lease = 400, limit, connection, ...options } = {}) {
  const consumer = scene.consumer({ ...CLAIMS, ...options }, connection ?? scene.connect());
  const errors = scene.errors(consumer);
  const owned = new Map();
  consumer.on('assigned', ({ partition, fence }) => owned.set(partition, fence));
  consumer.on('revoked', ({ partition }) => owned.delete(partition));
  consumer.process({ stream: scene.stream, partitions, limit, ordered: { lease }, processor });
  await consumer.play();
  return { consumer, owned, errors };
}

/** Sends numbered jobs to keys in turn. */
async function sendOrdered(scene, count, names, { from = 0, partitions = 4, connection } = {}) {
  const producer = scene.producer(connection);
  const numbers = Array.from({ length: count }, (_, at) => from + at);
  await producer.sendAll(
    numbers.map((at) => {
      return { stream: scene.stream, partitions, key: names[at % names.length], job: producer.job(`${at}`) };
    }),
  );
}

/** Record of the runs of each key. */
class OrderRecord {
  #runs = new Map();
  #running = new Set();
  overlaps = 0;

  begin({ key, id }) {
    if (this.#running.has(key)) this.overlaps++;
    this.#running.add(key);
    this.#runs.set(key, [...(this.#runs.get(key) ?? []), Number(id)]);
  }

  end({ key }) {
    this.#running.delete(key);
  }

  /** Number of different jobs that ran. */
  get jobs() {
    return [...this.#runs.values()].reduce((sum, ids) => sum + new Set(ids).size, 0);
  }

  /** Fails if a job ran after a later one of its key, or beside another one. */
  check() {
    assert.strictEqual(this.overlaps, 0);
    for (const [key, ids] of this.#runs) {
      const sorted = [...ids].sort((left, right) => left - right);
      assert.deepStrictEqual(ids, sorted, `key ${key}`);
    }
  }
}

/** The keys of leases of a stream, and of prepared ones. */
function leaseKeys(scene, redis = scene.redis) {
  return redis.call('KEYS', `hfxbus:own:${scene.stream}#*`);
}

module.exports = { OrderRecord, leaseKeys, playOrdered, sendOrdered };
