'use strict';

const { FIRST_KEYS, KEY_COUNTS, SUBCOMMAND_FIRST_KEYS } = require('./redis-commands.js');

const NONE = -1;

/** Index after GROUP, its name and the consumer's name, none of which can be the word STREAMS. */
const BEHIND_GROUP = 4;
/** Index of the key of MIGRATE. An empty key there means that the keys follow the option KEYS. */
const MIGRATE_KEY = 3;
const MIGRATE_OPTIONS = 6;

/** Commands whose keys follow a keyword. */
const SEARCHED = {
  xread: (words) => behind('STREAMS', words, 1),
  xreadgroup: (words) => behind('STREAMS', words, BEHIND_GROUP),
  migrate: (words) => (words[MIGRATE_KEY]?.length > 0 ? MIGRATE_KEY : behind('KEYS', words, MIGRATE_OPTIONS)),
};

/**
 * Returns the index of a command's first key, which decides on its node in a Cluster; -1 for none. An unknown command has
 * none.
 * @param {Array<string | Uint8Array>} words the command's name first
 */
function firstKey(words) {
  const name = text(words[0]).toLowerCase();
  const index =
    own(SEARCHED, name)?.(words) ?? counted(name, words) ?? bySubcommand(name, words) ?? own(FIRST_KEYS, name) ?? 0;
  return index > 0 && index < words.length ? index : NONE;
}

function counted(name, words) {
  const index = own(KEY_COUNTS, name);
  if (index === undefined) return undefined;
  return Number(text(words[index])) > 0 ? index + 1 : NONE;
}

function bySubcommand(name, words) {
  const subcommands = own(SUBCOMMAND_FIRST_KEYS, name);
  return subcommands && own(subcommands, text(words[1]).toLowerCase());
}

function behind(word, words, from) {
  const index = words.findIndex((one, at) => at >= from && text(one).toUpperCase() === word);
  return index === -1 ? NONE : index + 1;
}

/** Reads an own property: a command's name comes from the user and can be `constructor`. */
function own(table, name) {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function text(word = '') {
  return typeof word === 'string' ? word : Buffer.from(word.buffer, word.byteOffset, word.byteLength).toString();
}

module.exports = { firstKey };
