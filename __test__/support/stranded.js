'use strict';

const { keys } = require('./keys.js');

/** Number of entries in one request. */
const AT_ONCE = 500;

/** Jobs of numbered names. */
function jobs(count, name = 'job') {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

/**
 * Delivers entries to a consumer that is gone.
 * @param {number} [given.idle] for how many ms they have been idle
 * @param {(words: unknown[]) => Promise<unknown>} [given.call] sends a command to the server that has the stream
 * @returns {Promise<string[]>} the ids of the entries
 */
async function strand(scene, names, { consumer = 'gone', stream = scene.stream, idle, call = callOf(scene) } = {}) {
  const [key, group] = [keys.stream(stream), keys.group(scene.group)];
  await call(['XGROUP', 'CREATE', key, group, '0', 'MKSTREAM']).catch(() => {});
  const ids = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const some = names.slice(at, at + AT_ONCE);
    ids.push(...(await Promise.all(some.map((job) => call(['XADD', key, '*', 'prd', 'nobody', 'job', job])))));
  }
  await call(['XREADGROUP', 'GROUP', group, consumer, 'COUNT', names.length, 'STREAMS', key, '>']);
  if (idle !== undefined) await call(['XCLAIM', key, group, consumer, 0, ...ids, 'IDLE', idle, 'JUSTID']);
  return ids;
}

function callOf({ redis }) {
  return (words) => redis.call(...words);
}

module.exports = { jobs, strand };
