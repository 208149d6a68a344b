'use strict';

const { OutboxRelay, TABLE } = require('../support/outbox-relay.js');
const { PostgresServer } = require('../support/postgres-server.js');
const { Business, STREAM, connect } = require('./outbox-business.js');

/** Number of entries of a page. */
const PAGE = 1000;
const LEADER = `SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid)
  WHERE locktype = 'advisory' AND granted AND application_name LIKE 'relay %'`;

/** Two relays at a time, of which the leader is killed again and again. */
class Relays {
  #given;
  #relays = new Map();
  #count = 0;

  constructor(trial, given) {
    this.#given = given;
    trial.closing(() => this.kill());
    this.#start();
    this.#start();
  }

  /** Kills the leader and starts another relay. @returns false if there is no leader at the moment */
  async killLeader() {
    const { rows } = await ask(this.#given.database, LEADER);
    const relay = this.#relays.get(rows[0]?.application_name);
    if (relay === undefined) return false;
    relay.kill();
    this.#relays.delete(rows[0].application_name);
    this.#start();
    return true;
  }

  kill() {
    for (const relay of this.#relays.values()) relay.kill();
  }

  #start() {
    const name = `relay ${this.#count++}`;
    this.#relays.set(name, new OutboxRelay({ ...this.#given, variables: { PGAPPNAME: name } }));
  }
}

/** Resolves with the numbers in the entries of the stream. */
async function entries(server) {
  const numbers = [];
  for (let from = '-'; ; ) {
    const page = await server.call('XRANGE', `hfxbus:str:${STREAM}`, from, '+', 'COUNT', `${PAGE}`);
    for (const [, fields] of page) numbers.push(Number(fields[fields.indexOf('val:number') + 1]));
    if (page.length < PAGE) return numbers;
    from = `(${page.at(-1)[0]}`;
  }
}

/** The servers and relays of a run, and how often each was killed. */
class Casualties {
  #trial;
  #redis;
  #postgres;
  #relays;
  kills = { relays: 0, redis: 0, postgres: 0 };
  /** Longest time until a row was relayed again, in ms. */
  recovery = 0;

  constructor(trial, { redis, postgres, relays }) {
    this.#trial = trial;
    this.#redis = redis;
    this.#postgres = postgres;
    this.#relays = relays;
  }

  /** Waits until more rows are relayed. */
  async progress(count) {
    const before = await this.#length();
    await this.#trial.until(async () => (await this.#length()) > before + count, 60_000);
  }

  async killRelay() {
    if (!(await this.#relays.killLeader())) return;
    this.kills.relays++;
    await this.#recover();
  }

  async killRedis() {
    this.#redis.crash();
    await this.#trial.sleep(50, 300);
    await this.#redis.start();
    this.kills.redis++;
    await this.#recover();
  }

  async killPostgres() {
    this.#postgres.crash();
    await this.#postgres.start();
    this.kills.postgres++;
    await this.#recover();
  }

  async #recover() {
    const since = performance.now();
    await this.progress(0);
    this.recovery = Math.max(this.recovery, performance.now() - since);
  }

  #length() {
    return this.#redis.call('XLEN', `hfxbus:str:${STREAM}`).catch(() => 0);
  }
}

/** Sends one statement. */
async function ask(url, text) {
  const client = await connect(url);
  try {
    return await client.query(text);
  } finally {
    client.end().catch(() => {});
  }
}

/** Kills all parts of an outbox in turn, until each was killed often enough. */
async function killAll(trial, casualties) {
  const goals = { relays: trial.times(20), redis: trial.times(4), postgres: 1 };
  const { kills } = casualties;
  await casualties.progress(0);
  while (kills.relays < goals.relays) {
    await casualties.progress(50);
    await trial.sleep(0, 300);
    await casualties.killRelay();
    const part = kills.relays / goals.relays;
    if (kills.redis < Math.floor(part * goals.redis)) await casualties.killRedis();
    if (kills.postgres < goals.postgres && part >= 0.5) await casualties.killPostgres();
  }
}

/**
 * `kill -9` of the relays of an outbox, of Redis and of PostgreSQL, while transactions write rows and are rolled back.
 * @param {string} [variant] a relay without a promise, see `OutboxRelay`
 */
async function run(trial, variant) {
  const redis = await trial.server('--appendonly', 'yes', '--appendfsync', 'always');
  const postgres = await PostgresServer.start();
  trial.closing(() => postgres.kill());
  const url = await postgres.database();
  await ask(url, TABLE);
  const business = new Business(trial, url);
  trial.closing(() => business.end());
  const relays = new Relays(trial, { database: url, redis: redis.port, variant });
  const casualties = new Casualties(trial, { redis, postgres, relays });
  await killAll(trial, casualties);
  await business.end();
  await trial.until(async () => (await ask(url, 'SELECT 1 FROM outbox LIMIT 1')).rows.length === 0, 60_000);
  return result(trial, business, await entries(redis), casualties);
}

/** Compares the rows of the business with the entries. */
function result(trial, business, relayed, { kills, recovery }) {
  const { ledger } = trial;
  for (const number of business.committed) ledger.take(null, ['sent', number]);
  for (const number of relayed) {
    // The order of each key counts.
    ledger.take(business.keys.get(number), ['start', number]);
    ledger.take(null, ['done', number]);
  }
  const ofRollbacks = relayed.filter((number) => business.rolledBack.has(number)).length;
  trial.mark('every committed row is relayed', ledger.missing.length === 0);
  trial.mark('nothing twice', ledger.duplicates === 0);
  trial.mark('the rows of a key in their order', ledger.disorder === 0);
  trial.mark('nothing of a rollback', ofRollbacks === 0 && business.rolledBack.size > 0);
  const { size: rolledBack } = business.rolledBack;
  return trial.report({ kills, rolledBack, ofRollbacks, unknown: business.unknown.size, recovery });
}

module.exports = {
  id: 'F35',
  title: 'kill -9 of the relays of an outbox, of Redis and of PostgreSQL',
  run: (trial) => run(trial),
  relay: run,
};
