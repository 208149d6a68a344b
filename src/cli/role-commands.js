'use strict';

/** Name of a stream, a job and a group that do not exist. */
const PROBE = 'hfxbus-doctor';

/**
 * Returns the commands of each role of a bus in a form that changes nothing. Redis checks permissions first, and then
 * refuses the key, the group or the id, which do not exist. `when` names the option that needs a role. `queued` are commands
 * without such a form, which are tried in a transaction that is discarded. Subscriptions cannot be tried. docs/production.md
 * lists all commands.
 */
function roleCommands({ prefix, isCluster }) {
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
    ...ofDelays(prefix, groups),
    ...ofPartitions(prefix, [get, groups]),
    ofLimits(prefix, set),
    ...(isCluster
      ? [{ role: 'sharded completions', when: "completions: 'sharded'", commands: [spublish(prefix)] }]
      : []),
  ];
}

function ofDelays(prefix, groups) {
  const at = `{${prefix}:str:${PROBE}}:${PROBE}`;
  const [once, times, sends] = [
    `${prefix}:once:${at}:id`,
    `${prefix}:delayed:${at}:times`,
    `${prefix}:delayed:${at}:sends`,
  ];
  const ofScripts = [
    ['EVAL', 'return 0', 1, once],
    ['GET', once],
    ['HGET', sends, PROBE],
    ['DEL', once],
    ['PSETEX', once, 0, ''],
  ];
  return [
    { role: 'producers with id', when: 'id', commands: ofScripts },
    {
      role: 'delayed sends',
      when: 'delay',
      commands: [
        ...ofScripts,
        ...[['TIME'], ['EXISTS', times], ['ZADD', times, 'XX', 0, PROBE], ['ZREM', times, PROBE]],
        ...[
          ['ZRANGE', times, 0, 0],
          ['ZRANGEBYSCORE', times, 1, 0],
        ],
        // A field without its value.
        ...[
          ['HSET', sends, PROBE, '', PROBE],
          ['HDEL', sends, PROBE],
          ['HEXISTS', sends, PROBE],
        ],
      ],
    },
    { role: 'stats', when: 'consumer.stats()', commands: [groups, ['ZCARD', times]] },
  ];
}

function ofPartitions(prefix, common) {
  const [count, members] = [`${prefix}:prt:${PROBE}`, `${prefix}:mem:${PROBE}:${PROBE}`];
  const [owner, fence] = [`${prefix}:own:{${PROBE}}`, `${prefix}:fen:{${PROBE}}`];
  return [
    {
      role: 'partitions',
      when: 'partitions',
      commands: [...common, ['GET', count]],
      queued: [['APPEND', count, '']],
    },
    {
      role: 'ordered partitions',
      when: 'ordered',
      commands: [
        ...[
          ['SREM', owner, PROBE],
          ['SISMEMBER', owner, PROBE],
          ['PEXPIRE', owner, 1],
          ['RENAMENX', owner, `${owner}:`],
        ],
        ...[
          ['ZADD', members, 'XX', 0, PROBE],
          ['ZREM', members, PROBE],
        ],
        ...[
          ['ZRANGEBYSCORE', members, 1, 0],
          ['ZREMRANGEBYSCORE', members, 1, 0],
        ],
      ],
      queued: [
        ['SADD', owner, PROBE],
        ['INCR', fence],
      ],
    },
  ];
}

function ofLimits(prefix, set) {
  const budget = `${prefix}:lim:${PROBE}:${PROBE}`;
  const queued = [['INCRBY', budget, 0]];
  return { role: 'rate limits', when: 'limit', commands: [set, ['PTTL', budget]], queued };
}

function spublish(prefix) {
  return ['SPUBLISH', `{${prefix}:str:${PROBE}}:${prefix}:shd:${PROBE}:${PROBE}`, ''];
}

module.exports = { roleCommands };
