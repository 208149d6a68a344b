'use strict';

const test = require('node:test');
const { Client } = require('pg');
const { OutboxRelay, TABLE } = require('../support/outbox-relay.js');
const { PostgresServer } = require('../support/postgres-server.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 120_000;
/** Maximum time in which rows must be relayed, in ms. */
const PATIENCE = 30_000;

/** The PostgreSQL of this file, in which every case has a database of its own. */
let postgres = null;

test.after(() => postgres?.kill());

/** What a case works with, all of which ends with it: a database with the table, a Redis with AOF, relays. */
class OutboxScene {
  #closing = [];
  /** URL of the database. */
  url;
  redis;
  postgres;
  /** A connection of the business. */
  database;

  static async open() {
    const scene = new OutboxScene();
    postgres ??= await PostgresServer.start();
    scene.postgres = postgres;
    scene.url = await postgres.database();
    scene.redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always');
    scene.closing(() => scene.redis.kill());
    scene.database = await scene.client();
    await scene.database.query(TABLE);
    return scene;
  }

  /** Opens a further connection to the database. */
  async client() {
    const client = new Client({ connectionString: this.url, connectionTimeoutMillis: 5000, query_timeout: PATIENCE });
    client.on('error', () => {});
    await client.connect();
    this.closing(() => void client.end().catch(() => {}));
    return client;
  }

  /** Starts a relay. */
  relay(given) {
    const relay = new OutboxRelay({ database: this.url, redis: this.redis.port, ...given });
    this.closing(() => relay.kill());
    return relay;
  }

  /** Adds rows with numbers, in one transaction of its own. */
  async write(numbers, { stream = 'orders', keyOf = () => null } = {}) {
    const insert = `INSERT INTO outbox (stream, key, payload)
      SELECT $1, key, jsonb_build_object('number', number) FROM unnest($2::int[], $3::text[]) AS row (number, key)`;
    await this.database.query(insert, [stream, numbers, numbers.map(keyOf)]);
  }

  /** Resolves with the numbers in the entries of a stream, in their order. */
  async relayed(stream = 'orders') {
    const entries = await this.redis.call('XRANGE', `hfxbus:str:${stream}`, '-', '+');
    return entries.map(([, fields]) => Number(fields[fields.indexOf('val:number') + 1]));
  }

  /** Waits until a number of entries is in a stream. */
  async relays(count, stream) {
    await until(async () => (await this.relayed(stream).catch(() => [])).length >= count, {
      timeout: PATIENCE,
      what: `${count} entries`,
    });
  }

  /** Waits until no row is left, but for those with an error. */
  async drained(database = this.database) {
    const count = 'SELECT count(*)::int AS count FROM outbox WHERE error IS NULL';
    await until(async () => (await database.query(count)).rows[0].count === 0, { timeout: PATIENCE, what: 'no row' });
  }

  closing(close) {
    this.#closing.push(close);
  }

  async close() {
    for (const close of this.#closing.reverse()) await close();
  }
}

/** A case with a scene of its own. */
function outbox(title, run) {
  test(title, { timeout: LIMIT }, async (t) => {
    const scene = await OutboxScene.open();
    try {
      await run(t, scene);
    } finally {
      await scene.close();
    }
  });
}

/** Returns the numbers from 0 on. */
function upTo(count, first = 0) {
  return Array.from({ length: count }, (_, at) => first + at);
}

module.exports = { outbox, upTo };
