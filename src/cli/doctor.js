'use strict';

const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { checkConsumers } = require('./idle-consumers.js');
const { json, styled, table } = require('./printing.js');
const { checkRights } = require('./rights.js');
const { Servers } = require('./servers.js');
const { checkServer, checkSlots } = require('./server-checks.js');
const { streamsOf } = require('./streams.js');
const { checkGroups } = require('./stuck-groups.js');

const HELP = `Usage: hfxbus doctor [options]

Looks whether Redis is fit for a bus, whether the user may do what producers and consumers do, for groups that
are stuck, and for consumers that died.

  --idle <ms>        for how long nobody may have touched what is pending, 60000
  --idle-consumers <ms>
                     for how long a consumer with nothing pending may have been idle, 86400000
${HELP_OF_BUS}`;

const OPTIONS = {
  idle: { type: 'string', default: '60000' },
  'idle-consumers': { type: 'string', default: '86400000' },
};

const STYLE_OF = { ok: 'green', warning: 'yellow', problem: 'red', unknown: 'yellow' };

/**
 * What was looked at, and what came of it.
 * @typedef {{ check: string, node: string, state: 'ok' | 'warning' | 'problem' | 'unknown', detail: string }} Finding
 */

/** @returns {Promise<number>} the exit code: 1 if there is a problem */
async function run(args) {
  const check = (values) => {
    for (const name of Object.keys(OPTIONS)) count(name, values[name], 1);
  };
  const { values } = parse(args, { help: HELP, options: OPTIONS, check });
  return Servers.use(values, HELP, (servers) => examine(servers, values), { mayLack: true });
}

async function examine(servers, values) {
  const away = servers.away.map(({ name: node, reason }) => {
    return { check: 'connection', node, state: 'problem', detail: reason };
  });
  const perServer = servers.all.map(async (server) => [
    ...checkServer(server),
    ...(servers.isCluster ? await ifTold('slots', server.name, () => checkSlots(server)) : []),
    ...(await checkRights(server, servers.prefix)),
  ]);
  const everywhere = servers.all.map(({ name }) => name).join(', ');
  const groups = ifTold('groups', everywhere, async () => {
    const streams = await streamsOf(servers);
    const stuck = await checkGroups(streams, everywhere, Number(values.idle));
    return [...stuck, ...checkConsumers(streams, Number(values['idle-consumers']))];
  });
  const findings = [...away, ...(await Promise.all([...perServer, groups])).flat()];
  const isWell = findings.every(({ state }) => state !== 'problem');
  if (values.json) json({ ok: isWell, findings });
  else print(findings);
  return isWell ? 0 : 1;
}

/** What a server does not tell is not known; why it does not is a problem of another check, or none. */
async function ifTold(check, node, look) {
  try {
    return await look();
  } catch (error) {
    if (error.name !== 'ReplyError') throw error;
    const reason = error.code === 'NOPERM' ? `the user may not ask with ${error.command}` : error.message;
    return [{ check, node, state: 'unknown', detail: `not known: ${reason}` }];
  }
}

function print(findings) {
  const rows = findings.map(({ state, check, node, detail }) => [state, check, node, detail]);
  const inColour = (row, line) => styled(STYLE_OF[findings[row].state], line);
  console.log(table(['', 'check', 'node', 'what was found'], rows, inColour));
}

module.exports = { HELP, run };
