'use strict';

const checks = require('../options/validate.js');
const requests = require('../bridge/pending-requests.js');

/** Default time limit of the questions to Redis, in ms. */
const PATIENCE = 1000;

/** Resolves with the statistics of a consumer; rejects only for invalid options. */
async function consumerStats(native, { streams, partitioned, group, late }, given) {
  const patience = patienceOf(given);
  const stats = native.stats();
  stats.settlementFailures += late;
  return { ...stats, streams: await standings(native, { streams, partitioned, group }, patience) };
}

/** Resolves with the statistics of a producer. */
async function producerStats(native, counts) {
  const { begun, ...done } = counts;
  return { ...done, inFlight: begun - done.sent - done.failed, ...native.stats() };
}

/** Resolves with the position of the group in each stream. That of a partitioned stream is the sum of its partitions. */
async function standings(native, { streams, partitioned, group }, patience) {
  const known = patience === 0 || streams.length === 0 ? new Map() : await ask(native, patience);
  const found = new Map();
  for (const [number, stream] of streams.entries()) {
    const [lag = null, pending = null, delayed = null] = known.get(number) ?? [];
    const sum = found.get(stream) ?? { lag: 0, pending: 0, delayed: 0 };
    const counts = {
      lag: plus(sum.lag, lag),
      pending: plus(sum.pending, pending),
      delayed: plus(sum.delayed, delayed),
    };
    found.set(stream, { stream, group, ...counts });
  }
  for (const stream of partitioned) {
    // It has no partitions before the first `play()`.
    if (!found.has(stream)) found.set(stream, { stream, group, lag: null, pending: null, delayed: null });
  }
  return [...found.values()];
}

/** Adds counts. A sum with an unknown count is unknown. */
function plus(left, right) {
  return left === null || right === null ? null : left + right;
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
