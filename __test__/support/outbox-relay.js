'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const esbuild = require('esbuild');

const EXAMPLES = path.resolve(__dirname, '..', '..', 'examples', 'outbox');
/** Programs as JavaScript, at a place from which packages are found by name. */
const COMPILED = path.resolve(__dirname, '..', '..', '.cache', 'outbox');
const TABLE = fs.readFileSync(path.join(EXAMPLES, 'outbox.sql'), 'utf8');

/** Changes that take a promise away: each is a text of the relay, and the text in its place. */
const VARIANTS = {
  /** Sends rows without an idempotency id. */
  withoutId: ['id: once, ', ''],
  /** Deletes rows before it sends them. */
  deletesFirst: [
    'const sent = await Promise.all(',
    "if (rows.length > 0) await database.query('DELETE FROM outbox WHERE position = ANY($1)', [rows.map((row) => row.position)]);\n" +
      'const sent = await Promise.all(',
  ],
  /** Sends to partitions. */
  partitioned: ['producer.send({ stream,', 'producer.send({ stream, partitions: 4,'],
};

/** Files that this process has written, by their names. */
const written = new Set();
/** Relays of this process, none of which may outlive it. */
const running = new Set();

process.on('exit', () => {
  for (const relay of running) relay.kill();
  for (const file of written) fs.rmSync(file, { force: true });
});

/** The program of examples/outbox, or a variant of it, in a process of its own. */
class OutboxRelay {
  #process;
  #exited;
  stderr = '';

  /** @param {{ database: string, redis: number, variant?: keyof VARIANTS, variables?: object }} given URL and port */
  constructor({ database, redis, variant, variables }) {
    const env = { ...process.env, DATABASE_URL: database, REDIS_URL: `redis://127.0.0.1:${redis}`, ...variables };
    // Of no use to the program, and it would report as a test.
    delete env.NODE_TEST_CONTEXT;
    const stdio = ['ignore', 'inherit', 'pipe'];
    this.#process = spawn(process.execPath, [programOf('relay', variant)], { env, stdio });
    this.#process.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    running.add(this);
    this.#exited = new Promise((resolve) => {
      this.#process.on('close', (code, signal) => {
        running.delete(this);
        resolve({ code, signal });
      });
    });
  }

  get isRunning() {
    return running.has(this);
  }

  /** Waits until it has ended. @returns {Promise<{ code: number | null, signal: string | null }>} */
  exit() {
    return this.#exited;
  }

  signal(name) {
    this.#process.kill(name);
  }

  kill() {
    this.signal('SIGKILL');
  }
}

/** Returns the file of a program of the example as JavaScript. */
function programOf(name, variant) {
  const file = path.join(COMPILED, `${name}-${variant ?? 'own'}-${process.pid}.mjs`);
  if (written.has(file)) return file;
  let source = fs.readFileSync(path.join(EXAMPLES, `${name}.ts`), 'utf8');
  if (variant !== undefined) {
    const [text, other] = VARIANTS[variant];
    if (source.split(text).length !== 2) throw new Error(`${name}.ts has not exactly one '${text}'`);
    source = source.replace(text, () => other);
  }
  written.add(file);
  fs.mkdirSync(COMPILED, { recursive: true });
  fs.writeFileSync(file, esbuild.transformSync(source, { loader: 'ts', target: 'node18' }).code);
  return file;
}

module.exports = { EXAMPLES, OutboxRelay, TABLE, programOf };
