'use strict';

const { say } = require('./say.js');
const { Stage } = require('./stage.js');

/**
 * Runs one case of a scenario: every subject in every round, in an order that rotates, so that whatever else the
 * machine does meets all of them.
 * @returns {Promise<Map<string, object[]>>} by subject, the measurement of each round
 */
async function runRounds(scenario, parameters, { subjects, servers, rounds }) {
  const measured = new Map(subjects.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const subject of rotated(subjects, round)) {
      const measurement = await runOnce(scenario, parameters, { subject, servers });
      measured.get(subject.name).push(measurement);
      const rate = Math.round(measurement.rate).toLocaleString('en');
      say(
        `${scenario.id} ${scenario.title}, ${parameters.label}: round ${round + 1} of ${rounds}, ${subject.name}: ${rate} jobs/s`,
      );
    }
  }
  return measured;
}

async function runOnce(scenario, parameters, { subject, servers }) {
  const stage = await Stage.set(subject, servers, { count: scenario.count, cores: parameters.cores });
  try {
    return await scenario.run(stage, parameters);
  } finally {
    stage.clear();
  }
}

function rotated(list, by) {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

module.exports = { runRounds };
