'use strict';

/** Returns true if a server counts all entries ever added to a stream, as Redis does from 7.0 on. */
async function countsEntries(server, key) {
  const info = await server.call('XINFO', 'STREAM', key);
  return info.includes('entries-added');
}

module.exports = { countsEntries };
