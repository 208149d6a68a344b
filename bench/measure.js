'use strict';

const os = require('node:os');
const path = require('node:path');
const { canPin } = require('./cores.js');
const { judge } = require('./marks.js');
const { NatsServer } = require('./nats-server.js');
const namespace = require('./network/namespace.js');
const { Progress } = require('./progress.js');
const { compare } = require('./results.js');
const { runRounds } = require('./rounds.js');
const { say } = require('./say.js');
const { SECONDS } = require('./scenarios/warm-up.js');
const { Servers, versionOf } = require('./servers.js');
const { Subject } = require('./subject.js');

/** Process that measures in a network namespace. */
const INSIDE = path.join(__dirname, 'network', 'inside.js');

/**
 * Measures everything that was asked for. Cases with a delay run in a network namespace, if the machine permits that.
 * @returns what is written as JSON: the figures of every round, and what they come to
 */
async function measure({ scenarios, subjects: names, rounds, scale }) {
  // Nothing can be installed inside of a network namespace.
  const { subjects, missing } = await provide(names);
  const asked = { scenarios, subjects, missing, rounds, scale };
  if (delaysOf(scenarios).length === 0 || !namespace.hasNetem()) return measureHere(asked);
  const cases = scenarios.flatMap(({ id, cases: some }) => some.map((one) => `${id}/${one.id}`));
  return namespace.runInside(INSIDE, {
    ...asked,
    scenarios: undefined,
    cases,
    subjects: subjects.map(({ name }) => name),
  });
}

/** Measures in this process, with subjects that are installed. */
async function measureHere({ scenarios, subjects, missing, rounds, scale }) {
  const servers = new Servers();
  try {
    const about = await describe({ scenarios, subjects, missing, servers, rounds, scale });
    const plan = scenarios.flatMap((scenario) =>
      scenario.cases.map((one) => ({
        scenario,
        parameters: scaled(one, scale),
        players: subjects.filter((subject) => subject.plays(scenario.id, one)),
      })),
    );
    const progress = new Progress(plan.reduce((sum, { players }) => sum + players.length * rounds, 0));
    const cases = [];
    for (const { scenario, parameters, players } of plan) {
      const outcome = await runRounds(scenario, parameters, { subjects: players, servers, rounds, progress });
      cases.push(result(scenario, parameters, outcome));
    }
    return { ...about, cases, marks: judge(cases) };
  } finally {
    servers.stop();
  }
}

/** Those that can be had here. Without ours there is nothing to compare. */
async function provide(names) {
  const [subjects, missing] = [[], {}];
  for (const name of names) Subject.check(name);
  for (const name of names) {
    try {
      const subject = await Subject.provide(name);
      if (subject.server === 'nats') await NatsServer.findProgram();
      subjects.push(subject);
    } catch (error) {
      if (name === 'ours') throw error;
      say(`${name} is left out: ${error.message}`);
      missing[name] = error.message;
    }
  }
  return { subjects, missing };
}

async function describe({ scenarios, subjects, missing, servers, rounds, scale }) {
  const [server] = await servers.provide();
  const network = await describeNetwork(servers, server, delaysOf(scenarios));
  return {
    date: new Date().toISOString(),
    machine: {
      cpu: `${os.cpus().length} × ${os.cpus()[0].model.trim()}`,
      system: `${os.type()} ${os.release()}`,
      node: `Node ${process.versions.node}`,
      redis: `Redis ${await versionOf(server)}`,
    },
    ...(network && { network }),
    subjects: Object.fromEntries(subjects.map(({ name, version }) => [name, version])),
    missing,
    rounds,
    scale,
  };
}

/** Delays of networks, in ms, in ascending order. */
function delaysOf(scenarios) {
  const delays = scenarios.flatMap(({ cases }) => cases.map(({ delay }) => delay));
  return [...new Set(delays)].filter((delay) => delay !== undefined).sort((left, right) => left - right);
}

/** Means of the delays, and the real time of a PING over each network, in ms. */
async function describeNetwork(servers, server, delays) {
  if (delays.length === 0) return undefined;
  const { network } = servers;
  const pings = {};
  for (const delay of delays) {
    pings[delay] = await network.ping(server, delay);
    if (pings[delay] < delay)
      throw new Error(`${network.means} gives a PING of ${pings[delay]} ms instead of ${delay} ms`);
  }
  network.end();
  return { means: network.means, pings };
}

function scaled({ label, jobs = 1, seconds = SECONDS, cores, ...rest }, scale) {
  const shared = cores && canPin ? `, on ${cores} core` : '';
  const count = Math.max(1, Math.round(jobs * scale));
  return { ...rest, label: label + shared, jobs: count, seconds: seconds * scale, cores };
}

function result({ id: scenario, title }, { run, ...parameters }, { measured, failures }) {
  const isComparable = measured.has('ours');
  return {
    scenario,
    title,
    ...parameters,
    metrics: isComparable ? compare(measured) : [],
    measured: Object.fromEntries(measured),
    failures: Object.fromEntries(failures),
  };
}

module.exports = { measure, measureHere };
