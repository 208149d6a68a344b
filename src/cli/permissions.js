'use strict';

const { roleCommands } = require('./role-commands.js');

/** First version of Redis with ACLs. */
const LEAST_VERSION = 6;

/** @returns {Promise<import('../inspection/finding.js').Finding[]>} findings on the permissions of the user */
async function checkPermissions({ name: node, client, info }, servers) {
  if (Number.parseInt(info.get('redis_version'), 10) < LEAST_VERSION) {
    return [{ check: 'rights', node, state: 'ok', detail: 'there are no ACLs before Redis 6' }];
  }
  return Promise.all(
    roleCommands(servers).map(async ({ role, when, commands, queued = [] }) => {
      const check = `rights of ${role}`;
      const refused = new Set([...(await refusedOf(client, commands)), ...(await refusedInQueue(client, queued))]);
      if (refused.size === 0) return { check, node, state: 'ok', detail: 'nothing is refused' };
      const detail = `refused: ${[...refused].join(', ')}`;
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

/**
 * Tries commands in a transaction that is discarded: Redis checks permissions before it queues a command. A user without the
 * right to MULTI would execute them, so they are not tried.
 */
async function refusedInQueue(client, commands) {
  if (commands.length === 0 || (await client.pipeline().call('MULTI').call('DISCARD').exec())[0][0]) return [];
  const pipeline = client.pipeline().call('MULTI');
  for (const [command, ...words] of commands) pipeline.call(command, ...words);
  const replies = await pipeline.call('DISCARD').exec();
  return commands.flatMap(([command], at) => (replies[at + 1][0]?.code === 'NOPERM' ? [command] : []));
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
