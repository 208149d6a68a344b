'use strict';

/** Number of keys or entries in one request. */
const PAGE = 1000;

/** Resolves with the keys that match on a server. SCAN does not block Redis. */
async function keysOf({ client }, pattern) {
  const keys = new Set();
  let cursor = '0';
  do {
    const [next, page] = await client.call('scan', cursor, 'MATCH', pattern, 'COUNT', PAGE);
    for (const key of page) keys.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...keys].sort();
}

/** Escapes a text for a glob pattern. */
function literal(text) {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

module.exports = { PAGE, keysOf, literal };
