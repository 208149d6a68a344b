'use strict';

const { CallRequest, SingleCall } = require('../../redis/call-request.js');
const { RedisCommand } = require('../../redis/redis-command.js');
const { RedisPipeline } = require('../../redis/redis-pipeline.js');

/** Refusals of a node of a Cluster that names another one. */
const REDIRECTS = ['ASK', 'MOVED'];

/** Sends a command on a shared connection. Resolves with its reply, with bytes. */
function ask(link, name, ...args) {
  const request = new SingleCall([new RedisCommand(name, args, true)], false);
  request.send(link);
  return request.promise;
}

/** Sends commands in a transaction on a shared connection. Resolves with error and result of each. */
async function transact(link, commands) {
  const send = (collected) => {
    const request = new CallRequest(collected, false);
    request.send(link);
    return request.promise;
  };
  try {
    return await new RedisPipeline(send, commands, true).exec();
  } catch (error) {
    // The reason is the refusal of a command within.
    const reason = error.previousErrors?.[0] ?? error;
    const isUntransacted = reason.code === 'NOPERM' && reason.command === 'MULTI';
    if (!isUntransacted && !REDIRECTS.includes(reason.code)) throw reason;
    return oneByOne(link, commands);
  }
}

/** Sends commands one after the other: only single commands follow a slot that moves, and need no right to MULTI. */
async function oneByOne(link, commands) {
  const results = [];
  for (const [name, ...args] of commands) {
    results.push(
      await ask(link, name, ...args).then(
        (result) => [null, result],
        (error) => [error],
      ),
    );
  }
  return results;
}

/** Reads entries of a result stream from an id on. @returns {Promise<Array<{ id: string, fields: object }>>} */
async function readEntries(link, key, from, count) {
  const entries = await ask(link, 'xrange', key, from, '+', 'COUNT', count);
  return entries.map(([id, words]) => ({ id: id.toString(), fields: fieldsOf(words) }));
}

function fieldsOf(words) {
  const fields = {};
  for (let at = 0; at < words.length; at += 2) fields[words[at].toString()] = words[at + 1];
  return fields;
}

/** Returns true if an entry is pending in a group of a stream. */
async function isPending(link, key, group, entry) {
  try {
    return (await ask(link, 'xpending', key, group, entry, entry, 1)).length > 0;
  } catch (error) {
    if (error.code === 'NOGROUP') return false;
    throw error;
  }
}

module.exports = { ask, isPending, readEntries, transact };
