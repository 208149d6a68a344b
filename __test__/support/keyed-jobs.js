'use strict';

const assert = require('node:assert');
const { Gate } = require('./latch.js');

/** Number of slots of a consumer with fair dispatch. */
const SLOTS = 16;

/** A consumer with fair dispatch, that plays from the beginning of its streams. */
async function play(
  scene,
  processor,
  { fair = true, partitions, batch, ordered, stream = scene.stream, ...options } = {},
) {
  const consumer = scene.consumer({ concurrency: SLOTS, ...options }, options.connection ?? scene.connect());
  consumer.process({ stream, partitions, ordered, fair, batch, fromId: '0', processor });
  await consumer.play();
  return consumer;
}

/** Sends numbered jobs of a key. */
async function send(scene, key, count, { from = 0, connection, ...options } = {}) {
  const producer = scene.producer(connection);
  const job = (at) => producer.job(`${key ?? ''}${at}`);
  const numbers = Array.from({ length: count }, (_, at) => from + at);
  await producer.sendAll(numbers.map((at) => ({ stream: scene.stream, key, job: job(at), ...options })));
}

/** Record of the jobs that run and ran, by key. */
class Runs {
  order = [];
  running = new Map();
  most = new Map();
  gates = [];
  isHeld = true;

  /** Runs a job until it is let go. */
  hold = async (job) => {
    const key = job.key ?? '';
    this.order.push(job.id);
    const count = this.count(key) + 1;
    this.running.set(key, count);
    this.most.set(key, Math.max(this.most.get(key) ?? 0, count));
    if (this.isHeld) {
      const gate = new Gate();
      this.gates.push({ key, gate });
      await gate.opened;
    }
    this.running.set(key, this.count(key) - 1);
  };

  count(key) {
    return this.running.get(key) ?? 0;
  }

  get all() {
    return [...this.running.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Ends the oldest job, of a key if one is given. */
  end(key) {
    const at = this.gates.findIndex((held) => key === undefined || held.key === key);
    assert.notStrictEqual(at, -1, 'no such job runs');
    this.gates.splice(at, 1)[0].gate.open();
  }

  /** Ends all jobs, and lets later ones end at once. */
  free() {
    this.isHeld = false;
    for (const { gate } of this.gates.splice(0)) gate.open();
  }

  /** The numbers of the jobs of a key in the order of their starts. */
  numbers(key) {
    return this.order.filter((id) => id.startsWith(key)).map((id) => Number(id.slice(key.length)));
  }
}

/** Latencies of the jobs of other keys behind a flood of jobs of one, without fair dispatch those of the whole flood. */
class Latencies {
  #scene;
  #runs;
  #flood;
  #all = [];

  constructor(scene, runs, flood) {
    this.#scene = scene;
    this.#runs = runs;
    this.#flood = flood;
  }

  /** Runs a job. Its latency is the number of jobs of the flood that began before it. */
  run = async (job) => {
    if (job.key !== this.#flood) this.#all.push(this.#runs.order.length - this.#all.length);
    await Promise.all([this.#runs.hold(job), this.#scene.redis.call('PING')]);
  };

  get count() {
    return this.#all.length;
  }

  /** The latency that 95 % of the jobs do not exceed. */
  get p95() {
    return [...this.#all].sort((left, right) => left - right)[Math.floor(this.#all.length * 0.95)];
  }
}

/** The number of entries that wait in a consumer. */
async function waiting(consumer) {
  return (await consumer.stats({ timeout: 0 })).waiting;
}

/** The numbers from 0 on. */
const ascending = (count) => Array.from({ length: count }, (_, at) => at);

module.exports = { SLOTS, Latencies, Runs, ascending, play, send, waiting };
