'use strict';

const { letterOf } = require('../../../facade/api/dead-letters.js');
const { Budget, entryPages } = require('../../../inspection/entry-pages.js');
const { HttpError } = require('../http-error.js');

/** Number of letters that are shown, and limits of the letters that are searched for them, and for a count. */
const SHOWN = 100;
const QUICK = { entries: 2000, bytes: 32 * 2 ** 20, ms: 4000 };
const COUNTED = { entries: 200_000, bytes: 2 ** 30, ms: 30_000 };

/**
 * Filter of dead letters. An empty text matches every letter.
 * @typedef {{ from: string, group: string, text: string }} Filter
 */

/** Returns the streams that have dead letters, on all buses. */
function letterStreams({ buses }) {
  const found = buses.flatMap((bus, index) => {
    const streams = new Map();
    for (const part of bus.parts.filter(({ isDeadLetters }) => isDeadLetters)) {
      streams.set(part.name, (streams.get(part.name) ?? 0) + part.stream.length);
    }
    return [...streams].map(([stream, length]) => ({ bus: index, stream, length }));
  });
  return { streams: found.sort((left, right) => right.length - left.length) };
}

/** Resolves with the newest letters of a stream that match, and with the values of all letters for the filter. */
async function letters(bus, name, filter, { isCounted }) {
  const budget = new Budget(isCounted ? COUNTED : QUICK);
  const all = await everyLetter(bus, name, budget, (found) => {
    const isMatched = isMatch(found, filter);
    // A count can have many letters, whose errors would take much memory.
    return isCounted ? { id: found.id, node: found.node, isMatched } : { ...summary(found), isMatched };
  });
  const matched = all.filter(({ isMatched }) => isMatched);
  const newest = {};
  for (const { node, id } of all) newest[node] ??= id;
  const facets = { from: facet(all, 'stream'), group: facet(all, 'group'), error: errorFacet(all) };
  return {
    stream: name,
    letters: isCounted ? [] : matched.slice(0, SHOWN),
    matched: matched.length,
    searched: all.length,
    isComplete: !budget.isSpent,
    newest,
    facets: isCounted ? null : facets,
  };
}

/**
 * Resolves with the letters of a stream on all nodes, as `keep` converts them, the newest first.
 * @param {(letter: object) => { id: string } | null} keep `null` leaves a letter out
 */
async function everyLetter(bus, name, budget, keep) {
  const perPart = bus.partsOf(name).map(async ({ server, key }) => {
    const found = [];
    for await (const page of entryPages(server.client, key, { isNewestFirst: true, budget })) {
      found.push(
        ...page.map(([id, fields]) => keep(letterOf(server.node, id, fields))).filter((kept) => kept !== null),
      );
    }
    return found;
  });
  const time = ({ id }) => Number(id.split('-')[0]);
  return (await Promise.all(perPart)).flat().sort((left, right) => time(right) - time(left));
}

/** Resolves with a letter as Redis has it now. */
async function letter(bus, name, { node, id }) {
  for (const { server, key } of bus.partsOf(name).filter((part) => part.server.node === node)) {
    const [entry] = await server.client.call('xrange', key, id, id);
    if (entry) return { ...letterOf(node, id, entry[1]), carried: carriedIn(entry[1]) };
  }
  throw new HttpError(404, 'There is no such letter: it was replayed, dropped or trimmed.');
}

function isMatch({ jobId, stream, group, error }, { from, group: wanted, text }) {
  if ((from && stream !== from) || (wanted && group !== wanted)) return false;
  if (!text) return true;
  return `${jobId}\n${nameOf(error)}\n${messageOf(error)}`.toLowerCase().includes(text.toLowerCase());
}

function summary({ id, node, jobId, stream, group, deliveries, reason, error }) {
  const short = { name: nameOf(error).slice(0, 200), message: messageOf(error).slice(0, 500) };
  return { id, node, jobId, stream, group, deliveries, reason, error: short };
}

function nameOf(error) {
  return typeof error?.name === 'string' ? error.name : '';
}

function messageOf(error) {
  if (typeof error === 'string') return error;
  return typeof error?.message === 'string' ? error.message : '';
}

function carriedIn(fields) {
  return fields.filter((name, at) => at % 2 === 0 && name.startsWith('val:')).map((name) => name.slice('val:'.length));
}

/** Returns the most frequent values of a property, with their counts. */
function facet(all, property) {
  return counted(all.map((one) => one[property]));
}

function errorFacet(all) {
  return counted(all.map(({ error }) => error && (error.name || error.message.slice(0, 80))).filter(Boolean));
}

function counted(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts]
    .sort(([, left], [, right]) => right - left)
    .slice(0, 50)
    .map(([value, count]) => ({ value, count }));
}

module.exports = { everyLetter, isMatch, letter, letters, letterStreams };
