'use strict';

const { collapsed } = require('../inspection/partitions/collapsed-findings.js');
const { checkEntryPayloads } = require('../inspection/entry-payloads.js');
const { checkRetention } = require('../inspection/held-streams.js');
const { checkConsumers } = require('../inspection/idle-consumers.js');
const { checkPartitions } = require('../inspection/partitions/partition-checks.js');
const { countsOf } = require('../inspection/partitions/partition-counts.js');
const { checkServer, checkSlots } = require('../inspection/server-checks.js');
const { checkFeatures, checkSharded } = require('../inspection/server-features.js');
const { checkLoad } = require('../inspection/slot-loads.js');
const { streamsOf } = require('../inspection/streams.js');
const { checkGroups } = require('../inspection/stuck-groups.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { json, styled, table } = require('./output.js');
const { checkPermissions } = require('./permissions.js');
const { Servers } = require('./servers.js');

const HELP = `Usage: hfxbus doctor [options]

Checks the settings of Redis, the permissions that producers and consumers need, groups with stuck entries, groups
that hold a stream with retention, consumers that died, entries that consumers of 2.x cannot read, and partitions.
Names what the version of each server helps the bus with, and the load of streams of a Cluster.

  --idle <ms>        idle time from which a pending entry is stuck, in ms. Default 60000
  --idle-consumers <ms>
                     idle time from which a consumer without pending entries is reported, in ms.
                     Default 86400000
${HELP_OF_BUS}`;

const OPTIONS = {
  idle: { type: 'string', default: '60000' },
  'idle-consumers': { type: 'string', default: '86400000' },
};

const STYLE_OF = { ok: 'green', warning: 'yellow', problem: 'red', unknown: 'yellow' };

/** @returns {Promise<number>} the exit code: 1 if there is a problem */
async function run(args) {
  const check = (values) => {
    for (const name of Object.keys(OPTIONS)) count(name, values[name], 1);
  };
  const { values } = parse(args, { help: HELP, options: OPTIONS, check });
  return Servers.use(values, HELP, (servers) => examine(servers, values), { allowPartial: true });
}

async function examine(servers, values) {
  const unreachable = servers.unreachable.map(({ name: node, reason }) => {
    return { check: 'connection', node, state: 'problem', detail: reason };
  });
  const perServer = servers.all.map(async (server) => [
    ...checkServer(server),
    ...(await checkFeatures(server)),
    ...(servers.isCluster ? await orUnknown('slots', server.name, () => checkSlots(server)) : []),
    ...(await checkPermissions(server, servers)),
  ]);
  const everywhere = servers.all.map(({ name }) => name).join(', ');
  const groups = orUnknown('groups', everywhere, async () => {
    const streams = await streamsOf(servers);
    const counts = await countsOf(servers, streams);
    const stuck = await checkGroups(streams, everywhere, Number(values.idle));
    const payloads = await orUnknown('payloads', everywhere, () => checkEntryPayloads(streams));
    const held = await orUnknown('retention', everywhere, () => checkRetention(servers, streams, Number(values.idle)));
    const loads = servers.isCluster
      ? servers.all.map((one) => orUnknown('load', one.name, () => checkLoad(one, streams)))
      : [];
    const idleConsumers = checkConsumers(streams, Number(values['idle-consumers']));
    const partitions = await orUnknown('partitions', everywhere, () => checkPartitions(servers, streams, counts));
    const sharded = servers.isCluster ? await checkSharded(servers, streams) : [];
    const perStream = [...stuck, ...held, ...idleConsumers, ...payloads];
    return [...collapsed(perStream, counts), ...partitions, ...sharded, ...(await Promise.all(loads)).flat()];
  });
  const findings = [...unreachable, ...(await Promise.all([...perServer, groups])).flat()];
  const isHealthy = findings.every(({ state }) => state !== 'problem');
  if (values.json) json({ ok: isHealthy, findings });
  else print(findings);
  return isHealthy ? 0 : 1;
}

/** Turns an error reply into a finding with the state `unknown`; another check reports its cause. */
async function orUnknown(check, node, look) {
  try {
    return await look();
  } catch (error) {
    if (error.name !== 'ReplyError') throw error;
    const reason = error.code === 'NOPERM' ? `the user has no permission for ${error.command}` : error.message;
    return [{ check, node, state: 'unknown', detail: `not known: ${reason}` }];
  }
}

function print(findings) {
  const rows = findings.map(({ state, check, node, detail }) => [state, check, node, detail]);
  const colored = (row, line) => styled(STYLE_OF[findings[row].state], line);
  console.log(table(['state', 'check', 'node', 'finding'], rows, colored));
}

module.exports = { HELP, run };
