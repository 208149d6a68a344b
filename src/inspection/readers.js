'use strict';

/** Name of the library of this package, in CLIENT LIST of Redis 7.2 and later. */
const LIBRARY = 'hfxbus';
/** Command by which a connection reads entries for a consumer. */
const READS = 'xreadgroup';

/**
 * Connections of a server that read entries for consumers.
 * @typedef {object} Readers
 * @property {number} current number of those of version 3.0 or later
 * @property {string[]} nameless addresses of those without the name of a library, as those of 2.x
 */

/**
 * Resolves with the connections of a server whose last command reads entries, or with the reason for which their versions
 * are not known.
 * @param {import('../cli/servers.js').Server} server
 * @returns {Promise<Readers | { reason: string }>}
 */
async function readersOf({ client }) {
  let list;
  try {
    list = await client.call('client', 'LIST');
  } catch (error) {
    if (error.code !== 'NOPERM') throw error;
    return { reason: 'the user has no permission for CLIENT LIST' };
  }
  const rows = list.split('\n').filter(Boolean).map(rowOf);
  if (rows.some((row) => !row.has('lib-name'))) return { reason: 'Redis before 7.2 does not know it' };
  const readers = rows.filter((row) => row.get('cmd') === READS);
  return {
    current: readers.filter((row) => row.get('lib-name') === LIBRARY).length,
    nameless: readers.filter((row) => row.get('lib-name') === '').map((row) => row.get('addr')),
  };
}

/** Parses the row of a connection: pairs such as `cmd=xreadgroup`. */
function rowOf(line) {
  const pairs = line.trim().split(' ');
  return new Map(pairs.map((pair) => pair.split(/=(.*)/s, 2)));
}

module.exports = { readersOf };
