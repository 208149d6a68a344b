'use strict';

const { spawn, spawnSync } = require('node:child_process');

/** Maximum number of packets under way. */
const LIMIT = 100_000;
/** `unshare` has no name for its namespace: the kernel removes it with its last process. */
const UNSHARE = ['--net', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];
const START_LOOPBACK = ['ip', 'link', 'set', 'lo', 'up'];

let isInside = false;

/** Arguments of `tc` for a delay of each packet on the loopback, in ms. */
function delaying(delay) {
  return ['tc', 'qdisc', 'replace', 'dev', 'lo', 'root', 'netem', 'delay', `${delay * 1000}us`, 'limit', String(LIMIT)];
}

/** Returns true if this machine permits network namespaces, and `tc netem` in them. */
function hasNetem() {
  const script = [START_LOOPBACK, delaying(1)].map((words) => words.join(' ')).join(' && ');
  return spawnSync('unshare', [...UNSHARE, 'sh', '-c', script], { stdio: 'ignore' }).status === 0;
}

/** Runs a file of this benchmark in a network namespace of its own, which has nothing but a loopback. Returns its reply to a message. */
function runInside(file, message) {
  const child = spawn('unshare', [...UNSHARE, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send(message);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the process in the network namespace has ended with ${code}`)));
    child.once('message', ({ reply, error }) => (error === undefined ? resolve(reply) : reject(new Error(error))));
  });
}

/** Prepares the namespace of this process. */
function enter() {
  execute(START_LOOPBACK);
  isInside = true;
}

/** Delays each packet of the namespace, in ms. 0 ends that. */
function shape(delay) {
  // Without a delay there is nothing to remove at first.
  if (delay === 0) spawnSync('tc', ['qdisc', 'del', 'dev', 'lo', 'root'], { stdio: 'ignore' });
  else execute(delaying(delay));
}

function execute([file, ...args]) {
  const { status, stderr, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[file, ...args].join(' ')} failed: ${error?.message ?? stderr.trim()}`);
}

module.exports = { enter, hasNetem, isInside: () => isInside, runInside, shape };
