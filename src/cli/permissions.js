'use strict';

const PROBE = 'hfxbus-doctor';

/** First version of Redis with ACLs. */
const LEAST_VERSION = 6;

/**
 * Returns the commands of each role of a bus in a form that changes nothing. Redis checks permissions first, and then
 * refuses the key, the group or the id, which do not exist. `when` names the option that needs a role.
 * Subscriptions and MULTI cannot be tried. docs/production.md lists all commands.
 */
function uses(prefix) {
  const stream = `${prefix}:str:${PROBE}`;
  const payload = `${prefix}:job:${PROBE}:probe`;
  const group = `${prefix}:csr:${PROBE}`;
  const [set, get, del] = [
    ['SET', payload, '', 'XX'],
    ['GET', payload],
    ['DEL', payload],
  ];
  const add = ['XADD', stream, '0-0', 'prd', PROBE];
  const groups = ['XINFO', 'GROUPS', stream];
  const pending = ['XPENDING', stream, group, '-', '+', 1];
  const range = ['XRANGE', stream, '-', '+', 'COUNT', 1];
  return [
    { role: 'producers', commands: [set, get, del, add] },
    { role: 'producers that wait', when: 'waitFor', commands: [groups, pending, range] },
    {
      role: 'consumers',
      commands: [
        ...[get, del, pending],
        ['XGROUP', 'CREATE', stream, group, '$'],
        ['XGROUP', 'DELCONSUMER', stream, group, PROBE],
        ['XREADGROUP', 'GROUP', group, PROBE, 'COUNT', 1, 'STREAMS', stream, '>'],
        ['XACK', stream, group, '0-1'],
        ['XREVRANGE', stream, '+', '-', 'COUNT', 1],
        ['PUBLISH', `${prefix}:chn:${PROBE}:${PROBE}`, ''],
        ['CLIENT', 'ID'],
        ['CLIENT', 'UNBLOCK', 0],
      ],
    },
    {
      role: 'consumers that claim',
      when: 'claimInterval',
      commands: [
        ['XCLAIM', stream, group, PROBE, 0, '0-1'],
        ['TIME'],
        groups,
        ['XINFO', 'STREAM', stream],
        ['XINFO', 'CONSUMERS', stream, group],
      ],
    },
    {
      role: 'retention',
      when: 'retain',
      commands: [
        ...[set, get, pending, groups],
        ['XTRIM', stream, 'MINID', '0-1'],
        ['XINFO', 'STREAM', stream],
        ['PEXPIRE', `${prefix}:rtl:${PROBE}`, 1],
      ],
    },
    { role: 'limited producers', when: 'backlogLimit', commands: [groups, ['XLEN', stream]] },
    { role: 'dead letters', when: 'deadLetter', commands: [add, range, ['XDEL', stream, '0-1']] },
  ];
}

/** @returns {Promise<import('../inspection/finding.js').Finding[]>} findings on the permissions of the user */
async function checkPermissions({ name: node, client, info }, prefix) {
  if (Number.parseInt(info.get('redis_version'), 10) < LEAST_VERSION) {
    return [{ check: 'rights', node, state: 'ok', detail: 'there are no ACLs before Redis 6' }];
  }
  return Promise.all(
    uses(prefix).map(async ({ role, when, commands }) => {
      const check = `rights of ${role}`;
      const refused = await refusedOf(client, commands);
      if (refused.length === 0) return { check, node, state: 'ok', detail: 'nothing is refused' };
      const detail = `refused: ${refused.join(', ')}`;
      if (when === undefined) return { check, node, state: 'problem', detail };
      return { check, node, state: 'warning', detail: `${detail}; matters with ${when}` };
    }),
  );
}

/** Resolves with the names of the commands that the user has no permission for. */
async function refusedOf(client, commands) {
  const refused = await Promise.all(
    commands.map(async ([command, ...words]) => {
      const hasSubcommands = ['CLIENT', 'XGROUP', 'XINFO'].includes(command);
      return (await isRefused(client, command, words)) ? [hasSubcommands ? `${command} ${words[0]}` : command] : [];
    }),
  );
  return refused.flat();
}

/** Resolves with true for the reply NOPERM. With any other reply, also an error, the user has the permission. */
async function isRefused(client, command, words) {
  try {
    await client.call(command, ...words);
    return false;
  } catch (error) {
    if (error.name !== 'ReplyError') throw error;
    return error.code === 'NOPERM';
  }
}

module.exports = { checkPermissions };
