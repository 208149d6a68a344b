'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { USAGE, readArguments } = require('./arguments.js');
const { chart } = require('./chart.js');
const { ladderChart } = require('./ladder-chart.js');
const { areRequiredMet } = require('./marks.js');
const { measure } = require('./measure.js');
const { report } = require('./report.js');
const { say } = require('./say.js');

/** Measures, or reads what was measured; prints the tables, writes the figures and draws the charts. */
async function bench(asked) {
  const found = asked.from ? JSON.parse(fs.readFileSync(asked.from, 'utf8')) : await measure(asked);
  if (!asked.from) write(asked.json, `${JSON.stringify(found, null, 2)}\n`);
  if (asked.chart) write(asked.chart, chart(found));
  if (asked.ladder) write(asked.ladder, ladderChart(found));
  console.log(report(found));
  if (asked.check && !areRequiredMet(found.marks)) return false;
  return found.cases.every(({ failures }) => Object.keys(failures).length === 0);
}

function write(file, text) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text);
  say(`written to ${path.relative(process.cwd(), file)}`);
}

async function main() {
  const asked = readArguments(process.argv.slice(2));
  if (asked.help) {
    console.log(USAGE);
    return 0;
  }
  return (await bench(asked)) ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    say(error.message);
    say('npm run bench -- --help says what can be asked for');
    process.exit(1);
  },
);
