'use strict';

const { Stage } = require('./stage.js');

/** Nothing takes longer than this, in s; what does has hung. */
const LIMIT = 120;

/**
 * Runs one case of a scenario: every subject in every round, in an order that rotates, so that whatever else the
 * machine does meets all of them. A subject that fails is left out of the rounds to come.
 * @returns {Promise<{ measured: Map<string, object[]>, failures: Map<string, string> }>} by subject, the measurement of
 *   each round, or why there is none
 */
async function runRounds(scenario, parameters, { subjects, servers, rounds, progress }) {
  const measured = new Map(subjects.map(({ name }) => [name, []]));
  const failures = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const subject of rotated(subjects, round)) {
      if (failures.has(subject.name)) progress.skip();
      else await attempt(subject, round);
    }
  }
  for (const name of failures.keys()) measured.delete(name);
  return { measured, failures };

  async function attempt(subject, round) {
    const about = `${scenario.id} ${scenario.title}, ${parameters.label}: round ${round + 1} of ${rounds}, ${subject.name}`;
    try {
      const measurement = await runOnce(scenario, parameters, { subject, servers });
      measured.get(subject.name).push(measurement);
      progress.done(`${about}${rateOf(measurement)}`);
    } catch (error) {
      failures.set(subject.name, error.message);
      progress.done(`${about} failed: ${error.message}`);
    }
  }
}

function rateOf({ rate }) {
  return rate === undefined ? '' : `: ${Math.round(rate).toLocaleString('en')} jobs/s`;
}

/** Runs one case of a scenario once, with one subject. @returns what was measured */
async function runOnce(scenario, { id, label, ...rest }, { subject, servers, profiler }) {
  const { cores, topology, appendfsync, delay, ...parameters } = rest;
  const stage = await Stage.set(subject, servers, { cores, topology, appendfsync, delay, profiler });
  let timer;
  const isLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${LIMIT} s`)), LIMIT * 1000);
  });
  try {
    return await Promise.race([scenario.run(stage, parameters), isLate]);
  } finally {
    clearTimeout(timer);
    await stage.clear();
  }
}

function rotated(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

module.exports = { runOnce, runRounds };
