'use strict';

const { randomInt } = require('node:crypto');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { numberOption } = require('../../scripts/number-option.js');
const { everySubject } = require('../support/implementations.js');
const { faults } = require('./list.js');

const USAGE = `npm run faults -- [F1 F3 …] [options]
  F1 F3 …             faults: ${faults.map(({ id }) => id).join(' ')}; all without
  --size 1            how much of the usual number of jobs, kills and time: 0.1 to see whether it works
  --seed N            of what is left to chance; a new one without
  --against 2.2.0     what is run beside ours, where it can be
  --json FILE         where the figures go`;

const OPTIONS = {
  size: { type: 'string', default: '1' },
  seed: { type: 'string' },
  against: { type: 'string' },
  json: { type: 'string' },
  help: { type: 'boolean', default: false },
};

/** Reads the arguments of the command line; throws an error that names an invalid one. */
function readArguments(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const chosen = positionals.map((id) => {
    const fault = faults.find((one) => one.id === id);
    if (!fault) throw new Error(`there is no fault ${id}`);
    return fault;
  });
  const subjects = [everySubject.find(({ env }) => env === 'ours')];
  if (values.against !== undefined) {
    const other = everySubject.find(({ name }) => name === values.against);
    if (!other) throw new Error(`--against knows ${everySubject.map(({ name }) => name).join(' and ')}`);
    subjects.push(other);
  }
  return {
    help: values.help,
    faults: chosen.length > 0 ? chosen : faults,
    subjects,
    size: numberOption('size', values.size, (size) => Number.isFinite(size) && size > 0),
    seed: values.seed === undefined ? randomInt(2 ** 32) : numberOption('seed', values.seed, Number.isSafeInteger),
    json: values.json === undefined ? null : path.resolve(values.json),
  };
}

module.exports = { USAGE, readArguments };
