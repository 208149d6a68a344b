'use strict';

/*
 * Process that measures in a network namespace of its own. Its parent sends one message, and gets one.
 */

const { chosen } = require('../arguments.js');
const { measureHere } = require('../measure.js');
const { Subject } = require('../subject.js');
const namespace = require('./namespace.js');

async function measure({ cases, subjects: names, ...asked }) {
  namespace.enter();
  const subjects = [];
  for (const name of names) subjects.push(await Subject.provide(name));
  return measureHere({ ...asked, scenarios: chosen(cases), subjects });
}

process.once('message', async (asked) => {
  const outcome = await measure(asked).then(
    (reply) => ({ reply }),
    (error) => ({ error: error.message }),
  );
  process.send(outcome, () => process.exit());
});
process.on('disconnect', () => process.exit(1));
