'use strict';

const { keys } = require('../support/keys.js');
const { consumeSpread, produceSpread } = require('./programs/spread.js');

/** Number of sends at a time, unless the load has another one. */
const WINDOW = 32;
/** Number of keys of a stream with partitions. */
const KEYS = 100;
/** Maximum time of a wait, in ms. A completion that its consumer could not publish is found one to two minutes after the send. */
const WAIT = 180_000;

/** Jobs on a bus of several servers, from one process, which waits for them, to another one. */
class SpreadLoad {
  #trial;
  #given;
  #producer = null;
  #received = 0;

  /**
   * @param {object} bus `startupNodes` of a Cluster, or `nodes`
   * @param {object} given `streams`, `partitions`, `fair`, `limit` and `completions`; `work`: least and most time of a job; `window`:
   * number of sends at a time; `awaits`: each job is awaited before the next one of its place in the window
   */
  constructor(trial, bus, given) {
    this.#trial = trial;
    this.#given = { ...bus, ...given, group: trial.group };
  }

  /** Resolves once jobs are done. */
  async start({ count, consumer }) {
    const { group } = this.#given;
    const consuming = { ...this.#given, consumer: { group, concurrency: 32, ...consumer } };
    await this.#trial.child(consumeSpread, { data: consuming }).says('plays', 20000);
    const data = { ...this.#given, window: this.#window, count, keys: KEYS, patience: WAIT, pace: 2 };
    this.#producer = this.#trial.child(produceSpread, { data });
    await this.#trial.until(() => this.#trial.ledger.done > Math.max(50, KEYS));
  }

  /** Ends the sends, and waits until all jobs are done and all waits have ended. */
  async end() {
    this.#producer.signal('SIGTERM');
    await this.#producer.says('sends no more', 60_000);
    await this.#trial.drain();
    [this.#received] = await this.#producer.says('over', WAIT + 20_000);
  }

  /** The names in Redis of the partitions that are on some servers. */
  async partitions(servers) {
    const [stream] = this.#given.streams;
    const perServer = servers.map((server) => server.call('KEYS', keys.stream(`${stream}#*`)));
    return (await Promise.all(perServer)).flat();
  }

  /**
   * A function that says of the number of a job whether it is sent from now on, to a partition on a server. Entries that were read
   * before can wait in the consumer for long. Without partitions any job counts.
   */
  async laterOn(server) {
    if (!this.#given.partitions) return () => true;
    const found = new Set();
    for (const partition of await this.partitions([server])) {
      for (const [, fields] of await server.call('XREVRANGE', partition, '+', '-', 'COUNT', 1000)) {
        found.add(fields[fields.indexOf('key') + 1]);
      }
    }
    const first = this.#trial.ledger.sent + this.#trial.ledger.refused + this.#window;
    return (number) => number >= first && found.has(`k${number % KEYS}`);
  }

  get #window() {
    return this.#given.window ?? WINDOW;
  }

  /** Marks waits that never settled or had no success; returns the figures of all waits. `asked` ended by an outcome query. */
  waits() {
    const waits = this.#producer.printed.filter(([word]) => word === 'settled');
    const ends = {};
    for (const [, end] of waits) ends[end] = (ends[end] ?? 0) + 1;
    const never = this.#trial.ledger.sent - waits.length + (ends.FINISH_TIMEOUT ?? 0);
    this.#trial.mark('every wait settled', never === 0);
    this.#trial.mark('every wait by a success', (ends.DONE ?? 0) + never === this.#trial.ledger.sent);
    const slowest = Math.max(...waits.map(([, , took]) => took));
    return { waits: ends, never, asked: waits.length - this.#received, slowest: Math.round(slowest) };
  }
}

module.exports = { SpreadLoad };
