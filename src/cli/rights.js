'use strict';

const PROBE = 'hfxbus-doctor';

/** ACLs came with Redis 6. */
const LEAST_VERSION = 6;

/**
 * What a bus sends, by who does, in a form that changes nothing: Redis looks at rights first, and then finds that there is
 * no such key or group, or that an id cannot be. The names are of nobody. `when` is what only some programs need.
 * docs/production.md has all of it; what cannot be tried are subscriptions and MULTI.
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
    { who: 'producers', commands: [set, get, del, add] },
    { who: 'producers that wait', when: 'waitFor', commands: [groups, pending, range] },
    {
      who: 'consumers',
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
      who: 'consumers that claim',
      when: 'claimInterval',
      commands: [
        ['XCLAIM', stream, group, PROBE, 0, '0-1'],
        ['TIME'],
        groups,
        ['XINFO', 'STREAM', stream],
        ['XINFO', 'CONSUMERS', stream, group],
      ],
    },
    { who: 'dead letters', when: 'deadLetter', commands: [add, range, ['XDEL', stream, '0-1']] },
  ];
}

/** @returns {Promise<import('./doctor.js').Finding[]>} whether the user may do what the bus does */
async function checkRights({ name: node, client, info }, prefix) {
  if (Number.parseInt(info.get('redis_version'), 10) < LEAST_VERSION) {
    return [{ check: 'rights', node, state: 'ok', detail: 'there are no ACLs before Redis 6' }];
  }
  return Promise.all(
    uses(prefix).map(async ({ who, when, commands }) => {
      const check = `rights of ${who}`;
      const refused = await refusedOf(client, commands);
      if (refused.length === 0) return { check, node, state: 'ok', detail: 'nothing is refused' };
      const detail = `refused: ${refused.join(', ')}`;
      if (when === undefined) return { check, node, state: 'problem', detail };
      return { check, node, state: 'warning', detail: `${detail}; matters with ${when}` };
    }),
  );
}

/** What the user may not send, or not with such names. */
async function refusedOf(client, commands) {
  const refused = await Promise.all(
    commands.map(async ([command, ...words]) => {
      const hasSubcommands = ['CLIENT', 'XGROUP', 'XINFO'].includes(command);
      return (await isRefused(client, command, words)) ? [hasSubcommands ? `${command} ${words[0]}` : command] : [];
    }),
  );
  return refused.flat();
}

/** Any other reply than NOPERM, an error or not, means that the command would be carried out. */
async function isRefused(client, command, words) {
  try {
    await client.call(command, ...words);
    return false;
  } catch (error) {
    if (error.name !== 'ReplyError') throw error;
    return error.code === 'NOPERM';
  }
}

module.exports = { checkRights };
