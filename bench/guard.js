'use strict';

/*
 * Detects that this package has become slower: `npm run bench:guard`. It compares the CPU that clients use per job with that
 * of 2.2.0 in the same run, and that ratio with a recorded one: a ratio of CPU on one machine in one minute depends
 * little on either. `-- --record` records what is measured, after a change that is meant to cost what it does.
 */

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { chosen } = require('./arguments.js');
const { MARGIN, judge } = require('./guarded.js');
const { measure } = require('./measure.js');
const { say } = require('./say.js');
const { markdown, written } = require('./table.js');

const BASELINE = path.join(__dirname, 'baseline.json');
const ORIGINAL = 'hfxbus@2.2.0';
const GUARDED = ['S3/128', 'S4/16'];
/**
 * On one core processes take turns, and find as much to do at once whatever else the machine does; on several it depends
 * on who is held up, and with it what a job costs.
 */
const CORES = 1;

/** Measures the CPU of clients per job, with the machine. */
async function costs(rounds, scale) {
  const scenarios = chosen(GUARDED).map((one) => ({
    ...one,
    cases: one.cases.map((each) => ({ ...each, cores: CORES })),
  }));
  const asked = { scenarios, subjects: ['ours', ORIGINAL], rounds, scale };
  const { date, machine, subjects, cases } = await measure(asked);
  const failed = cases.flatMap(({ failures }) => Object.values(failures));
  if (failed.length > 0) throw new Error(failed[0]);
  const costOf = (each) => each.map(({ clientCpu }) => clientCpu);
  const clientCpu = Object.fromEntries(
    cases.map(({ scenario, id, measured }) => [
      `${scenario}/${id}`,
      { ours: costOf(measured.ours), theirs: costOf(measured[ORIGINAL]) },
    ]),
  );
  return { date, machine, subjects, rounds, scale, clientCpu };
}

/** Compares with the baseline; what seems slower is measured once more, for twice as long, before it is believed. */
async function guard({ rounds, scale }) {
  const baseline = JSON.parse(fs.readFileSync(BASELINE, 'utf8'));
  const compared = async (count) => judge(baseline.clientCpu, (await costs(count, scale)).clientCpu);
  let judged = await compared(rounds);
  if (judged.some(({ isSlower }) => isSlower)) {
    say('that seems slower: measuring once more');
    judged = await compared(rounds * 2);
  }
  const cell = (now, then) => `${written(now)} (${written(then)})`;
  const rows = judged.map(({ of, before, after, isSlower }) => [
    of,
    cell(after.median, before.median),
    cell(after.cheapest, before.cheapest),
    isSlower ? '**slower**' : 'fine',
  ]);
  const since = baseline.date.slice(0, 10);
  console.log(`Client CPU per job over that of ${ORIGINAL}; what it was on ${since} in parentheses.`);
  console.log(`Slower is what is ${MARGIN * 100} % beyond that in both columns.\n`);
  console.log(markdown(['', 'median of the rounds', 'cheapest runs', ''], rows));
  return judged.every(({ isSlower }) => !isSlower);
}

async function main() {
  const { values } = parseArgs({
    options: {
      record: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '7' },
      scale: { type: 'string', default: '1' },
    },
  });
  const [rounds, scale] = [Number(values.rounds), Number(values.scale)];
  if (!values.record) return (await guard({ rounds, scale })) ? 0 : 1;
  fs.writeFileSync(BASELINE, `${JSON.stringify(await costs(rounds, scale), null, 2)}\n`);
  say(`recorded in ${path.relative(process.cwd(), BASELINE)}`);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    say(error.message);
    process.exit(1);
  },
);
