'use strict';

const path = require('node:path');
const { parseArgs } = require('node:util');
const scenarios = require('./scenarios/index.js');

const USAGE = `npm run bench -- [options]
  --only S3,S4            scenarios: ${Object.keys(scenarios).join(', ')}; all without
  --against hfxbus@2.2.0  what ours is compared with, separated by commas
  --rounds 5              how often each is run
  --scale 1               how many of the usual number of jobs: 0.01 to see whether it works
  --json FILE             where the figures go, by default into bench/results`;

const OPTIONS = {
  only: { type: 'string', default: Object.keys(scenarios).join(',') },
  against: { type: 'string', default: 'hfxbus@2.2.0' },
  rounds: { type: 'string', default: '5' },
  scale: { type: 'string', default: '1' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

/** What was asked for on the command line; throws with what is wrong. */
function readArguments(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const only = list(values.only);
  for (const id of only) if (!scenarios[id]) throw new Error(`there is no scenario ${id}`);
  return {
    help: values.help,
    scenarios: only.map((id) => scenarios[id]),
    subjects: ['ours', ...list(values.against)],
    rounds: positive('rounds', values.rounds, Number.isInteger),
    scale: positive('scale', values.scale, Number.isFinite),
    json: path.resolve(values.json ?? path.join(__dirname, 'results', `${stamp()}.json`)),
  };
}

function list(text) {
  return text.split(',').filter(Boolean);
}

function positive(name, text, isRight) {
  const number = Number(text);
  if (!isRight(number) || number <= 0) throw new Error(`--${name} cannot be ${text}`);
  return number;
}

function stamp() {
  return new Date().toISOString().slice(0, 19).replaceAll(':', '-');
}

module.exports = { USAGE, readArguments };
