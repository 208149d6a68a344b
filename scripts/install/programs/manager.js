'use strict';

/* Has pm2 start, reload and stop consumers while jobs are sent: none is lost, and nothing is left. */

const { spawnSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { ConnectionManager, Producer } = require('hfxbus');

const PM2 = path.join(__dirname, 'node_modules', 'pm2', 'bin', 'pm2');
const env = { ...process.env, PM2_HOME: path.join(__dirname, '.pm2') };
const LIMIT = 30_000;

const connection = ConnectionManager.standalone(process.env.REDIS_URL);
const producer = new Producer(connection);

async function pm2(...args) {
  const child = spawn(process.execPath, [PM2, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`pm2 ${args.join(' ')} ended with code ${code}`);
}

/** Sends a job, and waits until it is done. */
async function run(endless) {
  const job = producer.job();
  await job.set('endless', endless, LIMIT).push();
  await producer.send({ stream: 'managed', job, waitFor: ['managed'], rejectOnError: true });
  await job.finished(LIMIT);
}

/** Sends jobs until something is done; resolves with how many when all of them are done. */
async function runUntil(done) {
  const jobs = [];
  let isDone = false;
  const ending = done.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    jobs.push(run(false));
    await sleep(10);
  }
  await Promise.all([ending, ...jobs]);
  return jobs.length;
}

async function main(mode) {
  await pm2('start', `${mode}.config.js`);
  const count = await runUntil(pm2('reload', 'consumer'));
  const endless = run(true);
  await sleep(500);
  await pm2('reload', 'consumer');
  await endless;
  await pm2('stop', 'consumer');
  const client = connection.getClient('last');
  const [group] = await client.call('xpending', 'hfxbus:str:managed', 'hfxbus:csr:managed');
  if (group !== 0) throw new Error(`${group} entries are pending`);
  await connection.stop();
  console.log(`${count > 10 ? 'many' : count} jobs are done`);
}

main(process.argv[2])
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  })
  .finally(() => {
    spawnSync(process.execPath, [PM2, 'kill'], { env, stdio: 'ignore' });
    // A failed program can keep the process alive.
    process.exit();
  });
