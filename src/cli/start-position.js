'use strict';

const { isEntryId, predecessor } = require('../facade/redis/entry-ids.js');

/** Options that name a position in a stream. */
const OPTIONS = { from: { type: 'string' }, since: { type: 'string' } };

/** Returns a time in ms, from the text of an option: ISO 8601, or ms since 1970. */
function timeOf(name, text) {
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(ms) || ms < 0)
    throw new Error(`--${name} must be a time, such as 2026-01-31T12:00:00Z, or ms`);
  return ms;
}

/** Validates `--from` and `--since`. */
function checkPosition({ from, since }) {
  if (from !== undefined && since !== undefined) throw new Error('--from excludes --since');
  if (from !== undefined && from !== '$' && !isEntryId(from)) throw new Error("--from must be an entry's id, 0 or $");
  if (since !== undefined) timeOf('since', since);
}

/** Returns the id after which `--from` or `--since` begins; `$` for the end, `undefined` without either. */
function idBefore({ from, since }) {
  if (since !== undefined) return predecessor(`${timeOf('since', since)}-0`) ?? '0-0';
  return from === undefined || from === '$' || from.includes('-') ? from : `${from}-0`;
}

module.exports = { OPTIONS, checkPosition, idBefore, timeOf };
