'use strict';

/** Last list of keys that was read. Most entries of a stream have the same. */
let last = { text: '[]', keys: [] };

/** Reads the payload keys that a completion returns. A list that is not one is empty. */
function readReturns(text) {
  if (text === null) return [];
  if (text !== last.text) last = { text, keys: parsed(text) };
  return last.keys;
}

function parsed(text) {
  try {
    const keys = JSON.parse(text);
    return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : [];
  } catch {
    return [];
  }
}

module.exports = { readReturns };
