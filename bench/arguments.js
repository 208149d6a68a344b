'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { numberOption } = require('../scripts/number-option.js');
const scenarios = require('./scenarios/index.js');
const { ADAPTERS } = require('./subject.js');

const USAGE = `npm run bench -- [options]
  --only S3,S4            scenarios: ${Object.keys(scenarios).join(', ')}; all without.
                          S4/16 is one case of S4, as the table calls it
  --against hfxbus@2.2.0  what ours is compared with, separated by commas: ${peers().join(', ')};
                          without a version it is the one that was written for; '' for nothing
  --rounds 5              how often each is run
  --scale 1               how long each run is: 0.5 for half of the jobs and of the time,
                          0.01 to see whether it works
  --json FILE             where the figures go, by default into bench/results
  --chart FILE            draws a chart, as SVG
  --ladder FILE           draws the round trips over networks, as SVG
  --check                 ends with code 1 unless every required mark of the cases is met
  --from FILE             measures nothing: prints, and draws, what an earlier run has written`;

const OPTIONS = {
  only: { type: 'string', default: Object.keys(scenarios).join(',') },
  against: { type: 'string', default: 'hfxbus@2.2.0' },
  rounds: { type: 'string', default: '5' },
  scale: { type: 'string', default: '1' },
  json: { type: 'string' },
  chart: { type: 'string' },
  ladder: { type: 'string' },
  check: { type: 'boolean', default: false },
  from: { type: 'string' },
  help: { type: 'boolean', default: false },
};

/** Parses the command line. Throws an error for an invalid option. */
function readArguments(args) {
  const { values } = parseArgs({ args, options: OPTIONS });
  return {
    help: values.help,
    scenarios: chosen(list(values.only)),
    subjects: ['ours', ...list(values.against)],
    rounds: positive('rounds', values.rounds, Number.isInteger),
    scale: positive('scale', values.scale, Number.isFinite),
    json: path.resolve(values.json ?? path.join(__dirname, 'results', `${stamp()}.json`)),
    chart: values.chart && path.resolve(values.chart),
    ladder: values.ladder && path.resolve(values.ladder),
    check: values.check,
    from: values.from && path.resolve(values.from),
  };
}

/** The scenarios that are named, each with all of its cases or with those that are named. */
function chosen(names) {
  const picked = new Map();
  for (const name of names) {
    const [id, one] = name.split('/');
    const scenario = scenarios[id];
    if (!scenario) throw new Error(`there is no scenario ${id}`);
    const cases = scenario.cases.filter((each) => one === undefined || each.id === one);
    if (cases.length === 0) {
      throw new Error(`${id} has no case ${one}, only ${scenario.cases.map((each) => each.id).join(', ')}`);
    }
    picked.set(id, { ...scenario, cases: [...(picked.get(id)?.cases ?? []), ...cases] });
  }
  return [...picked.values()];
}

function peers() {
  const names = fs.readdirSync(ADAPTERS).map((file) => path.basename(file, '.js'));
  return names.filter((name) => name !== 'ours');
}

function list(text) {
  return text.split(',').filter(Boolean);
}

function positive(name, text, isValid) {
  return numberOption(name, text, (number) => isValid(number) && number > 0);
}

function stamp() {
  return new Date().toISOString().slice(0, 19).replaceAll(':', '-');
}

module.exports = { USAGE, chosen, readArguments };
