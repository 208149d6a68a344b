'use strict';

const { Random } = require('../../faults/random.js');
const { generate } = require('./generator.js');
const { compare } = require('./pair.js');
const { shrink } = require('./shrink.js');

/** Number of commands before both servers are emptied. */
const EPISODE = 200;

/**
 * Sends seeded random commands to two servers.
 * @param {number[]} ports of the server that is right, and of the other one
 * @param {{ commands: number, seed: number, say?: (line: string) => void, most?: number }} options
 * @returns {Promise<{ commands: number, differences: { seed: number, found: object, shortest: object[] }[] }>}
 */
async function differential(ports, { commands, seed, say = () => {}, most = 5 }) {
  const differences = [];
  let sent = 0;
  for (let episode = 0; sent < commands && differences.length < most; episode++) {
    const own = seed + episode;
    const sequence = generate(new Random(own), Math.min(EPISODE, commands - sent));
    sent += sequence.length;
    if (await compare(ports, sequence)) {
      const shortest = await shrink(sequence, async (part) => (await compare(ports, part)) !== null);
      const found = await compare(ports, shortest);
      differences.push({ seed: own, found, shortest });
      say(described(differences.at(-1)));
    }
    if (episode % 50 === 49) say(`${sent} commands, ${differences.length} differences`);
  }
  return { commands: sent, differences };
}

/** A difference as one would type it. */
function described({ seed, found, shortest }) {
  const lines = shortest.map(
    ({ client, words }) => `  ${client}> ${words.map((word) => JSON.stringify(word)).join(' ')}`,
  );
  return [
    `seed ${seed} differs:`,
    ...lines,
    `  expected ${JSON.stringify(found?.expected)}`,
    `  actual   ${JSON.stringify(found?.actual)}`,
  ].join('\n');
}

module.exports = { differential, described };
