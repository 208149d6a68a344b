'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { Client } = require('pg');

const STREAM = 'outbox';
const WRITERS = 4;
/** Maximum number of rows of a transaction. */
const MOST_ROWS = 5;
/** Part of the transactions that are rolled back. */
const ROLLED_BACK = 0.2;
const INSERT = `INSERT INTO outbox (stream, key, payload)
  SELECT $1, $2, jsonb_build_object('number', number) FROM unnest($3::int[]) AS number`;

/** Business transactions that write rows, and what became of each row. */
class Business {
  #trial;
  #url;
  #next = 0;
  #isOver = false;
  #writers;
  /** Keys by the numbers of their rows. */
  keys = new Map();
  committed = new Set();
  rolledBack = new Set();
  /** Rows of transactions whose COMMIT had no answer. */
  unknown = new Set();

  constructor(trial, url) {
    this.#trial = trial;
    this.#url = url;
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(`key ${writer}`));
  }

  /** Ends the writers. */
  async end() {
    this.#isOver = true;
    await Promise.all(this.#writers);
  }

  /** Writes until the end, with a new connection after each that PostgreSQL has ended. */
  async #write(key) {
    while (!this.#isOver) {
      const client = await connect(this.#url).catch(() => null);
      while (client !== null && !this.#isOver) {
        if (!(await this.#transact(client, key))) break;
        await sleep(this.#trial.random.between(0, 40));
      }
      client?.end().catch(() => {});
      if (!this.#isOver) await sleep(20);
    }
  }

  /** Resolves with false if the connection is lost. */
  async #transact(client, key) {
    const numbers = Array.from({ length: this.#trial.random.between(1, MOST_ROWS) }, () => this.#next++);
    for (const number of numbers) this.keys.set(number, key);
    const isKept = this.#trial.random.next() >= ROLLED_BACK;
    let outcome = this.rolledBack;
    try {
      await client.query('BEGIN');
      await client.query(INSERT, [STREAM, key, numbers]);
      if (isKept) outcome = this.unknown;
      await client.query(isKept ? 'COMMIT' : 'ROLLBACK');
      if (isKept) outcome = this.committed;
      return true;
    } catch {
      return false;
    } finally {
      for (const number of numbers) outcome.add(number);
    }
  }
}

async function connect(url) {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 10_000 });
  client.on('error', () => {});
  await client.connect();
  return client;
}

module.exports = { Business, STREAM, connect };
