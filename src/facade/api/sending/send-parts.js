'use strict';

const { PayloadUse } = require('../../bridge/native.js');

/** Bytes of a command beside its names and values. */
const FRAME = 256;
/** Commands of a transaction beside those of its payload keys: MULTI, XADD, EXEC. */
const OF_TRANSACTION = 3;
/** Codes of a connection that was given up. */
const LASTING = ['CONNECTION_CLOSED', 'MAX_RETRIES'];
/** Maximum number of bytes of a unit of a string. */
const BYTES_PER_UNIT = 3;

/**
 * Returns the number of commands of a send, and an upper bound of their size in bytes.
 * @param {{ id: string, name: string }} entry
 * @param {import('../payload/send-payload.js').SendPayload | null} payload
 */
function extentOf({ id, name }, payload) {
  const values = payload === null ? [] : payload.values;
  const keys = values.filter(({ use }) => use !== PayloadUse.Carry).length;
  const commands = keys === 0 ? 1 : keys + OF_TRANSACTION;
  let bytes = commands * (FRAME + sizeOf(id) + sizeOf(name));
  for (const { key, value, use } of values) {
    bytes += (sizeOf(key) + sizeOf(value)) * (use === PayloadUse.KeyAndCarry ? 2 : 1);
  }
  return { commands, bytes };
}

function sizeOf(value) {
  return typeof value === 'string' ? value.length * BYTES_PER_UNIT : value.length;
}

/**
 * Divides sends, in their order, into parts that leave one after the other. All sends are one part if they fit into the queue of
 * a connection. Otherwise a part takes half of it, so that other commands find room.
 * @template {{ extent: { commands: number, bytes: number } }} T
 * @param {T[]} entries
 * @param {[number, number]} limit number of commands, and of their bytes, that the queue takes
 * @returns {T[][]}
 */
function inParts(entries, [commands, bytes]) {
  const whole = entries.reduce((sum, { extent }) => plus(sum, extent), { commands: 0, bytes: 0 });
  if (whole.commands <= commands && whole.bytes <= bytes) return [entries];
  const parts = [];
  let size = null;
  for (const entry of entries) {
    const next = size === null ? null : plus(size, entry.extent);
    if (next !== null && next.commands <= commands / 2 && next.bytes <= bytes / 2) {
      parts.at(-1).push(entry);
      size = next;
    } else {
      parts.push([entry]);
      size = entry.extent;
    }
  }
  return parts;
}

function plus(left, right) {
  return { commands: left.commands + right.commands, bytes: left.bytes + right.bytes };
}

/** Returns the reason if a part was not sent at all since there is no connection any more; `null` otherwise. */
function disconnectionOf(results) {
  const reasons = results.map(({ reason }) => (LASTING.includes(reason?.code) ? reason : null));
  return reasons.length === 0 || reasons.includes(null) ? null : reasons[0];
}

module.exports = { disconnectionOf, extentOf, inParts };
