'use strict';

const { keys } = require('../support/keys.js');

/** Idle time of an entry before it is claimed, in ms. */
const CLAIM_DEADLINE = 100;
const CONCURRENCY = 4;
const JOBS = 2 * CONCURRENCY;
const CLAIMING = { claimInterval: 20, claimDeadline: CLAIM_DEADLINE, retryLimit: 100_000, concurrency: CONCURRENCY };

/** Inputs whose removal waits for the settlement. */
const INPUTS = {
  carried: {},
  deferred: { send: { carry: false }, consumer: { delOnSettle: true } },
};

/** Program of the README of 2.2.0, which removes its input before it works. With `data.hangs` its work has no end. */
function read({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, data.consumer);
  const processor = async (job) => {
    const { inbound } = await job.get('inbound', false).del('inbound').pull();
    print('read', job.id, inbound);
    if (data.hangs) await new Promise(() => {});
    await job.set('outbound', `${inbound} world!`).push();
  };
  consumer.process({ stream: data.stream, processor, fromId: '0', deadline: 0 });
  consumer.on('error', (error) => print('error', error.code, error.message));
  consumer.play();
}

/** A process that sends jobs whose input is their own id. */
async function send({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const producer = new hfxbus.Producer(connection);
  for (const id of data.ids) {
    const job = producer.job(id);
    await job.set('inbound', id).push();
    await producer.send({ stream: data.stream, job, ...data.send });
  }
  print('over');
  await connection.stop();
}

/** Attempts of the jobs of one kind of input. */
class Attempts {
  #trial;
  #server;
  #data;
  /** Pairs of a job's id and its input, one for each attempt. */
  seen = [];
  kills = 0;

  constructor(trial, server, kind, { send: sending = {}, consumer = {} }) {
    const stream = `${trial.stream}-${kind}`;
    this.#trial = trial;
    this.#server = server;
    this.ids = Array.from({ length: JOBS }, (_, at) => `${kind}-${at}`);
    this.#data = { stream, ids: this.ids, send: sending, consumer: { group: trial.group, ...CLAIMING, ...consumer } };
  }

  /** Kills processes between the read and the settlement, and lets a last one work. */
  async run(kills) {
    await this.#start(send).says('over', 20000);
    while (this.kills < kills) {
      const child = this.#start(read, { hangs: true });
      await child.says('read', 20000);
      child.kill();
      await child.exit();
      this.#note(child);
      this.kills++;
    }
    const last = this.#start(read);
    await this.#trial.until(() => this.#isDone(), 30000);
    this.#note(last);
  }

  /** Returns true once every job has its output and is acknowledged. */
  async #isDone() {
    const outputs = await this.#server.call('EXISTS', ...this.ids.map((id) => keys.payload(id, 'outbound')));
    const key = keys.stream(this.#data.stream);
    const [pending] = await this.#server.call('XPENDING', key, keys.group(this.#trial.group));
    return outputs === JOBS && pending === 0;
  }

  #start(program, data) {
    return this.#trial.child(program, { options: this.#server.options, data: { ...this.#data, ...data } });
  }

  #note(child) {
    this.seen.push(...child.printed.filter(([word]) => word === 'read').map(([, id, inbound]) => [id, inbound]));
  }
}

/** `kill -9` of consumers that have read and removed their input, and not settled. */
async function run(trial) {
  const server = await trial.server();
  const kills = trial.times(100, 5);
  const all = Object.entries(INPUTS).map(([kind, given]) => new Attempts(trial, server, kind, given));
  await Promise.all(all.map((attempts) => attempts.run(kills)));
  const seen = all.flatMap((attempts) => attempts.seen);
  const wrong = seen.filter(([id, inbound]) => inbound !== id).length;
  trial.mark('every attempt read its input', wrong === 0);
  trial.mark('every kill came between a read and a settlement', seen.length >= all.length * (kills + JOBS));
  const left = await server.call('KEYS', keys.payload('*', 'inbound'));
  trial.mark('no input is left', left.length === 0);
  const outputs = await server.call('KEYS', keys.payload('*', 'outbound'));
  trial.mark('every output is there', outputs.length === all.length * JOBS);
  return trial.report({ kills: all.length * kills, attempts: seen.length, wrong });
}

module.exports = { id: 'F29', title: 'kill -9 between the read and the settlement', run };
