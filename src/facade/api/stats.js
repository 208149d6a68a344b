'use strict';

const checks = require('../options/validate.js');
const requests = require('../bridge/pending-requests.js');

/** Default time limit of the questions to Redis, in ms. */
const PATIENCE = 1000;

/** Resolves with the statistics of a consumer; rejects only for invalid options. */
async function consumerStats(native, { streams, group, late }, given) {
  const patience = patienceOf(given);
  const stats = native.stats();
  stats.settlementFailures += late;
  return { ...stats, streams: await standings(native, { streams, group }, patience) };
}

/** Resolves with the statistics of a producer. */
async function producerStats(native, counts) {
  const { begun, ...done } = counts;
  return { ...done, inFlight: begun - done.sent - done.failed, ...native.stats() };
}

/** Resolves with the position of the group in each stream. */
async function standings(native, { streams, group }, patience) {
  if (streams.length === 0) return [];
  const known = patience === 0 ? new Map() : await ask(native, patience);
  return streams.map((stream, number) => {
    const [lag = null, pending = null, delayed = null] = known.get(number) ?? [];
    return { stream, group, lag, pending, delayed };
  });
}

async function ask(native, patience) {
  const request = new StandingsRequest(new Map());
  native.standings(requests.add(request), patience);
  return request.promise;
}

/** Collects `number, lag, pending, delayed` of each stream. */
class StandingsRequest extends requests.Request {
  called(_index, _error, flat) {
    for (let at = 0; at < flat.length; at += 4) this.result.set(flat[at], flat.slice(at + 1, at + 4));
  }
}

function patienceOf(given) {
  const { timeout } = checks.object('options', given);
  return checks.count('timeout', timeout, { least: 0, fallback: PATIENCE });
}

module.exports = { consumerStats, producerStats };
