'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { USAGE, readArguments } = require('./arguments.js');
const { canPin } = require('./cores.js');
const { compare } = require('./results.js');
const { runRounds } = require('./rounds.js');
const { say } = require('./say.js');
const { Servers, versionOf } = require('./servers.js');
const { Subject } = require('./subject.js');
const { table } = require('./table.js');

/** Measures everything that was asked for; prints the table, and writes the figures of every round. */
async function bench({ scenarios, subjects: names, rounds, scale, json }) {
  const subjects = [];
  for (const name of names) subjects.push(await Subject.provide(name));
  const servers = new Servers();
  try {
    const about = await describe({ subjects, servers, rounds, scale });
    const cases = [];
    for (const scenario of scenarios) {
      for (const parameters of scenario.cases.map((one) => scaled(one, scale))) {
        const measured = await runRounds(scenario, parameters, { subjects, servers, rounds });
        cases.push(result(scenario, parameters, measured));
      }
    }
    fs.mkdirSync(path.dirname(json), { recursive: true });
    fs.writeFileSync(json, `${JSON.stringify({ ...about, cases }, null, 2)}\n`);
    say(`written to ${path.relative(process.cwd(), json)}`);
    const names = subjects.map(({ name }) => name);
    console.log(
      `${Object.values(about.machine).join(', ')}; ${about.date}; ${rounds} rounds\n\n${table(cases, names)}`,
    );
  } finally {
    servers.stop();
  }
}

async function describe({ subjects, servers, rounds, scale }) {
  const [server] = await servers.provide(1);
  return {
    date: new Date().toISOString(),
    machine: {
      cpu: `${os.cpus().length} × ${os.cpus()[0].model.trim()}`,
      system: `${os.type()} ${os.release()}`,
      node: `Node ${process.versions.node}`,
      redis: `Redis ${await versionOf(server)}`,
    },
    subjects: Object.fromEntries(subjects.map(({ name, version }) => [name, version])),
    rounds,
    scale,
  };
}

function scaled({ label, jobs, cores, ...rest }, scale) {
  const shared = cores && canPin ? `, on ${cores} core` : '';
  return { label: label + shared, jobs: Math.max(1, Math.round(jobs * scale)), cores, ...rest };
}

function result({ id, title }, parameters, measured) {
  const rounds = Object.fromEntries(measured);
  return { scenario: id, title, ...parameters, metrics: compare(measured), measured: rounds };
}

async function main() {
  const asked = readArguments(process.argv.slice(2));
  if (asked.help) console.log(USAGE);
  else await bench(asked);
}

main().then(
  () => process.exit(0),
  (error) => {
    say(error.message);
    say('npm run bench -- --help says what can be asked for');
    process.exit(1);
  },
);
