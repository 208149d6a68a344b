'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { CLIENTS } = require('./generator.js');
const { normal, same } = require('./normalize.js');
const { Side, endsTransaction } = require('./runner.js');

/**
 * Sends a sequence of commands to two servers, one after the other, and compares all that comes.
 * @param {{ client: number, words: string[] }[]} commands
 * @returns {Promise<{ at: number, words: string[], expected: any, actual: any } | null>} the first difference
 */
async function compare(ports, commands) {
  const sides = await Promise.all(ports.map((port) => Side.open(port, CLIENTS)));
  try {
    return await run(sides, commands);
  } finally {
    for (const side of sides) side.close();
  }
}

async function run(sides, commands) {
  /** Replies and state of each client. */
  const journals = Array.from({ length: CLIENTS }, () => new Journal());
  for (const [at, { client, words }] of commands.entries()) {
    const name = words[0].toUpperCase();
    if (!sides.every((side) => side.canSend(client, words))) continue;
    // In one ms a server may call entries of several streams the same, and the other one not.
    if (words.includes('*')) await sleep(2);
    const before = journals[client].compare(sides, client, null, at);
    if (before) return before;
    try {
      await Promise.all(sides.map((side) => side.run(client, words)));
    } catch (error) {
      return { at, client, words, expected: 'a reply of both', actual: error.message };
    }
    if (name === 'XADD') for (const side of sides) side.name(client);
    const found = journals[client].compare(sides, client, words, at);
    if (found) return found;
  }
  await Promise.all(sides.map((side) => side.finish()));
  for (const [client, journal] of journals.entries()) {
    const found = journal.compare(sides, client, ['what', 'came', 'last'], commands.length);
    if (found) return found;
  }
  return null;
}

/** Replies of one client on both servers. */
class Journal {
  #done = 0;
  #words = ['nothing'];
  /** Commands queued in a transaction. */
  #queued = [];

  /**
   * @param {string[] | null} words what the client has sent; null before it sends something: then the rest may be on its way
   */
  compare(sides, client, words, at) {
    const logs = sides.map((side) => side.log(client));
    const lengths = logs.map(({ length }) => length);
    const end = words ? Math.max(...lengths) : Math.min(...lengths);
    this.#words = words ?? this.#words;
    for (; this.#done < end; this.#done++) {
      const [expected, actual] = sides.map((side, index) => this.#normal(side, logs[index][this.#done]));
      if (!same(expected, actual)) return { at, client, words: this.#words, expected, actual };
    }
    if (words) this.#note(logs[0].at(-1), words);
    return null;
  }

  #normal(side, reply) {
    const words = this.#words;
    const named = (id) => side.named(id);
    if (words[0].toUpperCase() === 'EXEC' && Array.isArray(reply)) {
      return reply.map((one, at) => normal(this.#queued[at] ?? words, one, named));
    }
    return reply === undefined ? 'nothing' : normal(words, reply, named);
  }

  #note(reply, words) {
    if (reply === 'QUEUED') this.#queued.push(words);
    if (endsTransaction(words[0].toUpperCase(), reply)) this.#queued = [];
  }
}

module.exports = { compare };
