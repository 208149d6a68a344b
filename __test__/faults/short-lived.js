'use strict';

const { keys } = require('../support/keys.js');

/** Tasks of a process; it ends after one of them. */
const TASKS = ['push', 'send', 'wait', 'work'];
const ENDS = ['stop', 'exit', 'kill', 'throw'];
const AT_ONCE = 4;
/** Maximum growth of the memory of Redis after all keys are deleted, in bytes. */
const SPARE = 1024 * 1024;

/** A process that does one thing and ends. */
async function act({ hfxbus, options, data: { task, end, stream, group }, print }) {
  const { ConnectionManager, Consumer, Producer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const producer = new Producer(connection);
  const job = producer.job();
  if (task === 'push') await job.set('key', 'value').push();
  else {
    let worked;
    if (task === 'work') {
      const consumer = new Consumer(connection, { group });
      worked = new Promise((resolve) => {
        consumer.process({ stream, processor: async () => resolve() });
      });
      await consumer.play();
    }
    await producer.send({ stream, job, waitFor: task === 'wait' ? ['nobody'] : null });
    await worked;
  }
  print('did', task);
  if (end === 'exit') process.exit(0);
  if (end === 'kill') process.kill(process.pid, 'SIGKILL');
  if (end === 'throw') throw new Error('nobody catches this');
  await connection.stop();
}

/** Returns the stream of a process: each worker has its own, so that no other process takes the job. */
function streamOf(trial, task, at) {
  return task === 'work' ? `${trial.stream}-${at}` : trial.stream;
}

/** Runs one process; returns how long it took in ms, and what was wrong with it, if anything. */
async function runOne(trial, server, at) {
  const [task, end] = [TASKS[at % TASKS.length], ENDS[Math.floor(at / TASKS.length) % ENDS.length]];
  const began = performance.now();
  const data = { task, end, stream: streamOf(trial, task, at), group: trial.group };
  const child = trial.child(act, { options: server.options, data });
  const { code, signal } = await child.exit();
  const isRight = { stop: code === 0, exit: code === 0, kill: signal === 'SIGKILL', throw: code === 1 }[end];
  const problem = isRight && child.printed.length === 1 ? null : `${task}, ${end}: ${code ?? signal} ${child.stderr}`;
  return { took: performance.now() - began, task, end, at, problem };
}

async function runAll(trial, server, count) {
  const runs = [];
  let next = 0;
  const work = async () => {
    while (next < count) runs.push(await runOne(trial, server, next++));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return runs;
}

/** Returns the connections of Redis. */
async function connections(server) {
  const list = await server.call('CLIENT', 'LIST');
  const patterns = await server.call('PUBSUB', 'NUMPAT');
  const channels = await server.call('PUBSUB', 'CHANNELS');
  return list.trim().split('\n').length + patterns + channels.length;
}

async function memory(server) {
  return Number(/used_memory:(\d+)/.exec(await server.call('INFO', 'memory'))[1]);
}

/** Returns the numbers of consumer names left by stopped workers, and by the others. */
async function namesLeft(trial, server, runs) {
  const left = { stopped: 0, others: 0 };
  for (const { end, at } of runs.filter(({ task }) => task === 'work')) {
    const key = keys.stream(streamOf(trial, 'work', at));
    const names = await server.call('XINFO', 'CONSUMERS', key, keys.group(trial.group));
    left[end === 'stop' ? 'stopped' : 'others'] += names.length;
  }
  return left;
}

/** Thousands of processes that do one thing each: nothing is left of them in Redis but what they have written. */
async function run(trial) {
  const server = await trial.server();
  const before = { connections: await connections(server), memory: await memory(server) };
  const runs = await runAll(trial, server, trial.times(640, TASKS.length * ENDS.length));
  const problems = runs.flatMap(({ problem }) => problem ?? []);
  trial.mark('each did what it was to do, and ended as it was to', problems.length === 0);
  const areGone = async () => (await connections(server)) === before.connections;
  trial.mark('no connection and no subscription is left', await trial.until(areGone).catch(() => false));
  const expected = runs.filter(({ task }) => task === 'send' || task === 'wait').length;
  trial.mark('each send is in the stream', (await server.call('XLEN', keys.stream(trial.stream))) === expected);
  const names = await server.call('KEYS', '*');
  const isKnown = (name) => /^hfxbus:(str:faults(-\d+)?|job:[\w-]{16}:key)$/.test(name);
  trial.mark('no other key is left', names.every(isKnown));
  const left = await namesLeft(trial, server, runs);
  trial.mark('a consumer that was stopped leaves no name', left.stopped === 0);
  await server.call('FLUSHALL');
  const more = (await memory(server)) - before.memory;
  trial.mark('Redis has its memory back', more < SPARE);
  const times = runs.map(({ took }) => took).sort((one, other) => one - other);
  return trial.report({
    processes: runs.length,
    median: Math.round(times[times.length >> 1]),
    slowest: Math.round(times.at(-1)),
    names: left,
    memory: more,
    ...(problems.length > 0 && { problems: problems.slice(0, 3) }),
  });
}

module.exports = { id: 'F28', title: 'processes that do one thing and end', original: true, run };
