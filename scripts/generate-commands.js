'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('./command.js');

/** Generated files. They are committed, and must not be edited. */
const DATA = 'src/facade/redis/redis-commands.js';
const TYPES = 'redis-commands.d.ts';

/** Of a Sentinel, hence not in the list. */
const OTHERS = ['sentinel'];
/** Commands whose keys follow a keyword, which `src/facade/redis/first-key.js` finds. */
const SEARCHED = ['migrate', 'xread', 'xreadgroup'];
/** A command whose words all count one key. */
const PROBE = Array(8).fill('1');

/** Writes what the bus knows of the commands of Redis, from the list that its clients share. */
function generateCommands() {
  const commands = readCommands();
  fs.writeFileSync(path.join(ROOT, DATA), data(commands));
  fs.writeFileSync(path.join(ROOT, TYPES), types(commands));
}

/** @returns {Array<{ name: string, first: number, counted?: number, subcommands: [string, number][] }>} by name */
function readCommands() {
  const known = JSON.parse(fs.readFileSync(require.resolve('@ioredis/commands/built/commands.json'), 'utf8'));
  const described = Object.entries(known).map(([name, command]) => describe(name, command));
  const others = OTHERS.map((name) => ({ name, first: 0, subcommands: [] }));
  return [...described, ...others].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function describe(name, { keyStart, flags, subcommands = {} }) {
  const withKeys = Object.entries(subcommands)
    .map(([word, { keyStart: start }]) => [word, start])
    .filter(([, start]) => start > 0)
    .sort();
  const command = { name, first: keyStart, subcommands: withKeys };
  if (keyStart > 0 || !flags.includes('movablekeys') || SEARCHED.includes(name)) return command;
  const [index] = require('@ioredis/commands').getKeyIndexes(name, PROBE);
  if (!(index > 0)) throw new Error(`${name}: nothing says where its keys are; first-key.js has to`);
  return { ...command, counted: index };
}

function data(commands) {
  const counted = commands.filter((command) => command.counted !== undefined);
  const divided = commands.filter(({ subcommands }) => subcommands.length > 0);
  const fields = (entries) => entries.map(([name, value]) => `${property(name)}: ${value}`);
  return `'use strict';

// Written by scripts/generate-commands.js: do not edit.

/** Index of each command's first key. The name of the command has index 0, which means no key. */
const FIRST_KEYS = {
${lines(fields(commands.map(({ name, first }) => [name, first])))}
};

/** Index of the first key by a command's subcommand. */
const SUBCOMMAND_FIRST_KEYS = {
${lines(fields(divided.map(({ name, subcommands }) => [name, `{ ${fields(subcommands).join(', ')} }`])))}
};

/** Index of the argument with the number of keys. The keys follow it. */
const KEY_COUNTS = {
${lines(fields(counted.map((command) => [command.name, command.counted])))}
};

module.exports = { FIRST_KEYS, SUBCOMMAND_FIRST_KEYS, KEY_COUNTS };
`;
}

function types(commands) {
  return `// Written by scripts/generate-commands.js: do not edit.

/** Names of the methods for the commands of Redis. */
export type RedisCommand =
${commands.map(({ name }) => `  | '${name}'`).join('\n')};
`;
}

function lines(fields) {
  return fields.map((field) => `  ${field},`).join('\n');
}

function property(name) {
  return /^\w+$/.test(name) ? name : `'${name}'`;
}

module.exports = { generateCommands, GENERATED: [DATA, TYPES] };

if (require.main === module) generateCommands();
