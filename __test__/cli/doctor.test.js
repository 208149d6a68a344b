'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { consume } = require('../faults/programs/consumer.js');
const { Child } = require('../support/child.js');
const { asked, hfxbus } = require('../support/command-line.js');
const { documentedRights } = require('../support/documented-rights.js');
const { everySubject } = require('../support/implementations.js');
const { keys } = require('../support/keys.js');
const { RawClient } = require('../support/raw-client.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { stuckBus } = require('./stuck.js');
const { ConnectionManager, Consumer, Producer } = require('../../index.js');

async function healthy(t, ...args) {
  const redis = await RedisServer.start(...args);
  t.after(() => redis.kill());
  return { redis, url: `redis://127.0.0.1:${redis.port}` };
}

/** Resolves with true if a server shows the libraries of connections, as Redis 7.2 and later. */
async function knowsLibraries(redis) {
  return (await redis.call('CLIENT', 'LIST')).includes(' lib-name=');
}

/** Returns the result of a check. */
function of(said, check) {
  return said.findings.filter((finding) => finding.check === check);
}

describe('npx hfxbus doctor', () => {
  it('reports no problem for a healthy Redis, leaves nothing behind, and exits with 0', async (t) => {
    const { redis, url } = await healthy(t, '--appendonly', 'yes');
    const { code, said } = await asked(['doctor', '--url', url]);
    assert.strictEqual(code, 0);
    assert.strictEqual(said.ok, true);
    const senders = ['producers', 'producers that wait', 'consumers', 'consumers that claim'];
    const later = ['producers with id', 'delayed sends', 'stats', 'partitions', 'ordered partitions', 'rate limits'];
    const roles = [...senders, 'retention', 'limited producers', 'dead letters', ...later];
    const rights = roles.map((role) => `rights of ${role}`);
    const checks = ['version', 'role', 'memory', 'eviction', 'persistence', 'help', ...rights, 'groups'];
    assert.deepStrictEqual(
      said.findings.map(({ check, state }) => [check, state]),
      checks.map((check) => [check, 'ok']),
    );
    assert.match(of(said, 'version')[0].detail, /^(Redis|Valkey) \d+\.\d+/);
    assert.strictEqual(await redis.call('DBSIZE'), 0);
  });

  it('warns of data loss without AOF, and calls eviction a problem', async (t) => {
    const { redis, url } = await healthy(t);
    const before = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual([before.code, of(before.said, 'persistence')[0].state], [0, 'warning']);
    await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    const unlimited = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual([unlimited.code, of(unlimited.said, 'eviction')[0].state], [0, 'warning']);
    await redis.call('CONFIG', 'SET', 'maxmemory', '100mb');
    const limited = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual([limited.code, of(limited.said, 'eviction')[0].state], [1, 'problem']);
    assert.match(of(limited.said, 'eviction')[0].detail, /^allkeys-lru: .*noeviction/);
  });

  it('names the missing rights of a user', async (t) => {
    const { redis, url } = await healthy(t);
    const rights = ['on', '>secret', '~hfxbus:str:*', '&*', '+@all', '-xclaim', '-xadd', '-xack'];
    await redis.call('ACL', 'SETUSER', 'weak', ...rights);
    const { code, said } = await asked(['doctor', '--url', url.replace('//', '//weak:secret@')]);
    assert.strictEqual(code, 1);
    const found = said.findings.filter(({ check }) => check.startsWith('rights of '));
    const ofDelays = 'EVAL, GET, HGET, DEL, PSETEX, EXISTS, ZADD, ZREM, ZRANGE, ZRANGEBYSCORE, HSET, HDEL, HEXISTS';
    const ofOrder = 'SREM, SISMEMBER, PEXPIRE, RENAMENX, ZADD, ZREM, ZRANGEBYSCORE, ZREMRANGEBYSCORE, SADD, INCR';
    assert.deepStrictEqual(
      found.map(({ state, detail }) => [state, detail]),
      [
        ['problem', 'refused: SET, GET, DEL, XADD'],
        ['ok', 'nothing is refused'],
        ['problem', 'refused: GET, DEL, XACK'],
        ['warning', 'refused: XCLAIM; matters with claimInterval'],
        ['warning', 'refused: SET, GET, PEXPIRE; matters with retain'],
        ['ok', 'nothing is refused'],
        ['warning', 'refused: XADD; matters with deadLetter'],
        ['warning', 'refused: EVAL, GET, HGET, DEL, PSETEX; matters with id'],
        ['warning', `refused: ${ofDelays}; matters with delay`],
        ['warning', 'refused: ZCARD; matters with consumer.stats()'],
        ['warning', 'refused: GET, APPEND; matters with partitions'],
        ['warning', `refused: ${ofOrder}; matters with ordered`],
        ['warning', 'refused: SET, PTTL, INCRBY; matters with limit'],
      ],
    );
  });

  it('reports no missing right for a user with the documented rights', async (t) => {
    const { redis, url } = await healthy(t);
    const { rules, commands } = documentedRights();
    await redis.call('ACL', 'SETUSER', 'bus', ...rules, ...commands);
    const { code, said } = await asked(['doctor', '--url', url.replace('//', '//bus:password@')]);
    assert.strictEqual(code, 0, JSON.stringify(said));
    const missing = said.findings.filter(({ check, state }) => check.startsWith('rights') && state !== 'ok');
    assert.deepStrictEqual(missing, []);
  });

  it('reports the checks that a user has no right to run', async (t) => {
    const { redis, url } = await healthy(t);
    await redis.call('ACL', 'SETUSER', 'blind', 'on', '>secret', '~*', '&*', '+@all', '-scan');
    const { code, said } = await asked(['doctor', '--url', url.replace('//', '//blind:secret@')]);
    assert.strictEqual(code, 0);
    const [groups] = of(said, 'groups');
    assert.deepStrictEqual(
      [groups.state, groups.detail],
      ['unknown', 'not known: the user has no permission for SCAN'],
    );
  });

  it('reports the group of a killed consumer, and the group without a consumer', async (t) => {
    const { url } = await stuckBus(t);
    const isIdle = async () => {
      const { code, said } = await asked(['doctor', '--idle', '50', '--url', url]);
      const details = of(said, 'groups').map(({ detail }) => detail);
      const isSeen = (part) => details.some((detail) => detail.includes(part));
      return isSeen('1 pending') && isSeen('no consumer has read') && { code, said, details };
    };
    const { code, said, details } = await until(isIdle, { timeout: 20000 });
    assert.deepStrictEqual([code, said.ok], [1, false]);
    const number = '(\\d|an unknown number)';
    for (const text of [
      /^mailer of mails is stuck: 1 pending and idle for 50 ms or longer$/,
      new RegExp(`^mailer of mails is stuck: ${number} not delivered, and no consumer has read for 50 ms$`),
      new RegExp(`^archive of mails is stuck: ${number} not delivered, and there are no consumers$`),
    ]) {
      assert.ok(
        details.some((detail) => text.test(detail)),
        `${text}: ${details.join('; ')}`,
      );
    }
    assert.deepStrictEqual(new Set(of(said, 'groups').map(({ stream }) => stream)), new Set(['mails']));
  });

  it('reports the group without consumers that holds a stream with retention', async (t) => {
    const { redis, url } = await healthy(t);
    const connection = ConnectionManager.standalone({ ...redis.options, retain: 'acknowledged', retainFor: 100 });
    t.after(() => connection.stop());
    await redis.call('XGROUP', 'CREATE', keys.stream('mails'), keys.group('dead'), '0', 'MKSTREAM');
    const consumer = new Consumer(connection, { group: 'mailer' });
    await consumer.process({ stream: 'mails', processor: async () => {} }).play();
    const producer = new Producer(connection);
    for (let at = 0; at < 3; at++) await producer.send({ stream: 'mails', job: producer.job() });
    await until(async () => (await redis.call('EXISTS', 'hfxbus:rtl:mails')) === 1);
    const held = await asked(['doctor', '--url', url]);
    const text = 'mails keeps 3 entries for dead, which has no consumers: play its consumers, or remove the group';
    assert.deepStrictEqual(
      of(held.said, 'retention').map(({ state, detail }) => [state, detail]),
      [['problem', text]],
    );
    await redis.call('XGROUP', 'DESTROY', keys.stream('mails'), keys.group('dead'));
    await until(async () => (await redis.call('XLEN', keys.stream('mails'))) === 0);
    const { said } = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual(
      of(said, 'retention').map(({ state, detail }) => [state, detail]),
      [['ok', '1 stream with retain, none is held']],
    );
  });

  it('names the failed job without a further delivery that holds a stream with retention', async (t) => {
    const { redis, url } = await healthy(t);
    const connection = ConnectionManager.standalone({ ...redis.options, retain: 'acknowledged', retainFor: 100 });
    t.after(() => connection.stop());
    const consumer = new Consumer(connection, { group: 'mailer' });
    const processor = async (job) => {
      if (job.id === 'bad') throw new Error('no');
    };
    await consumer.process({ stream: 'mails', processor }).play();
    const producer = new Producer(connection);
    for (const id of ['bad', 'good']) await producer.send({ stream: 'mails', job: producer.job(id) });
    const lengths = () => redis.call('XLEN', keys.stream('mails'));
    const pending = async () => (await redis.call('XPENDING', keys.stream('mails'), keys.group('mailer')))[0];
    await until(async () => (await consumer.stats()).resolved === 1 && (await lengths()) === 2);
    assert.strictEqual(await pending(), 1);
    const [[id]] = await redis.call('XRANGE', keys.stream('mails'), '-', '+');
    const text = new RegExp(
      `^mails keeps \\d+ entries for mailer, whose entry ${id} is pending and idle for .* after 1 delivery: give its consumers claimInterval and deadLetter, or acknowledge it by XACK$`,
    );
    const { state, detail } = await until(async () => {
      // Its consumer reads.
      await producer.send({ stream: 'mails', job: producer.job('good') });
      const { said } = await asked(['doctor', '--idle', '2000', '--url', url]);
      return of(said, 'retention').find((finding) => text.test(finding.detail));
    });
    assert.match(detail, text);
    assert.strictEqual(state, 'problem');
  });

  it('names what a server helps with, by its commands', async (t) => {
    const { redis, url } = await healthy(t);
    const [{ detail, state }] = of((await asked(['doctor', '--url', url])).said, 'help');
    const takes = await redis.call('XTRIM', 'none', 'MINID', '0-1', 'ACKED').then(
      () => true,
      () => false,
    );
    assert.deepStrictEqual([state, detail.split(';')[0].includes('XTRIM ACKED')], ['ok', takes]);
    assert.match(detail, /^\d of 6: XTRIM MINID/);
  });

  it('warns of entries that consumers of 2.x cannot read, with the groups that have consumers', async (t) => {
    const { redis, url } = await healthy(t);
    const connection = ConnectionManager.standalone(redis.options);
    t.after(() => connection.stop({ force: true }));
    const producer = new Producer(connection);
    const send = (stream, payload) => producer.send({ stream, payload, job: producer.job().set('own', 'value') });
    for (const stream of ['mails', 'letters']) {
      for (const group of ['mailer', 'archive']) {
        await redis.call('XGROUP', 'CREATE', keys.stream(stream), keys.group(group), '$', 'MKSTREAM');
      }
      await redis.call('XGROUP', 'CREATECONSUMER', keys.stream(stream), keys.group('mailer'), 'one');
    }
    // A connection without the name of its library, as those of 2.x.
    const reader = new RawClient(redis.port);
    t.after(() => reader.close());
    await reader.call('XREADGROUP', 'GROUP', keys.group('mailer'), 'one', 'STREAMS', keys.stream('mails'), '>');
    await redis.call('XGROUP', 'CREATE', keys.stream('unread'), keys.group('mailer'), '$', 'MKSTREAM');
    await send('unread', 'entry');
    await send('letters', 'keys');
    const before = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual(of(before.said, 'payloads'), []);
    await send('mails', 'entry');
    for (let count = 0; count < 30; count++) await send('mails', 'keys');
    const { said } = await asked(['doctor', '--url', url]);
    const [{ state, stream, groups, detail }, ...others] = of(said, 'payloads');
    assert.deepStrictEqual([state, stream, groups, others], ['warning', 'mails', ['mailer'], []]);
    assert.match(detail, /^mails has entries with payload: 'entry', of which 2\.x reads null; .* groups mailer$/);
    const shown = (await knowsLibraries(redis)) ? reader.address : 'Redis before 7.2 does not know it';
    assert.ok(detail.includes(shown), detail);
    await redis.call('ACL', 'SETUSER', 'half', 'on', '>secret', '~*', '&*', '+@all', '-xrevrange');
    const half = await asked(['doctor', '--url', url.replace('//', '//half:secret@')]);
    const found = of(half.said, 'payloads').map((one) => [one.state, one.detail]);
    assert.deepStrictEqual(found, [['unknown', 'not known: the user has no permission for XREVRANGE']]);
    assert.deepStrictEqual(of(half.said, 'groups'), of(said, 'groups'));
  });

  it('tells consumers of 2.x from those of version 3 by their connections', async (t) => {
    const { redis, url } = await healthy(t);
    const knows = await knowsLibraries(redis);
    const kill = {};
    for (const subject of everySubject) {
      const data = { stream: 'mails', consumer: { group: subject.env, blockTimeout: 100 } };
      const child = new Child(subject, consume, { options: redis.options, data });
      kill[subject.env] = () => child.kill();
      t.after(kill[subject.env]);
      await child.says('plays', 10000);
    }
    const producing = ConnectionManager.standalone(redis.options);
    t.after(() => producing.stop({ force: true }));
    const producer = new Producer(producing);
    await producer.send({ stream: 'mails', payload: 'entry', job: producer.job().set('to', 'ann') });
    const found = async () => of((await asked(['doctor', '--url', url])).said, 'payloads')[0];
    const both = await found();
    assert.deepStrictEqual([both.state, both.groups.sort()], ['warning', ['original', 'ours']]);
    assert.strictEqual(both.connections.length, knows ? 1 : 0);
    assert.match(both.detail, knows ? /1 of 2 connections that read can be of 2\.x: 127\.0\.0\.1:\d+;/ : /before 7\.2/);
    kill.original();
    const readers = async () => (await redis.call('CLIENT', 'LIST')).split('cmd=xreadgroup').length - 1;
    await until(async () => (await readers()) === 1);
    const ours = await found();
    assert.strictEqual(ours.state, knows ? 'ok' : 'warning');
    assert.match(ours.detail, knows ? /no consumer of 2\.x reads now, and 1 of 3\.0 or later do$/ : /before 7\.2/);
    await redis.call('ACL', 'SETUSER', 'half', 'on', '>secret', '~*', '&*', '+@all', '-client');
    const half = await asked(['doctor', '--url', url.replace('//', '//half:secret@')]);
    const [{ state, detail }] = of(half.said, 'payloads');
    assert.strictEqual(state, 'warning');
    assert.match(detail, /not known \(the user has no permission for CLIENT LIST\)/);
  });

  it('warns of dead consumers without pending entries, and names them', async (t) => {
    const { redis, url } = await healthy(t);
    const [stream, group] = [keys.stream('mails'), keys.group('mailer')];
    await redis.call('XGROUP', 'CREATE', stream, group, '$', 'MKSTREAM');
    for (const name of ['dead-1', 'dead-2', 'dead-3', 'dead-4', 'dead-5', 'dead-6', 'busy']) {
      const id = await redis.call('XADD', stream, '*', 'prd', 'p', 'job', 'one');
      await redis.call('XREADGROUP', 'GROUP', group, name, 'COUNT', '1', 'STREAMS', stream, '>');
      if (name !== 'busy') await redis.call('XACK', stream, group, id);
    }
    const found = async () => {
      const { code, said } = await asked(['doctor', '--idle-consumers', '50', '--url', url]);
      const [finding] = of(said, 'consumers');
      return finding?.consumers.length === 6 && { code, finding, groups: of(said, 'groups') };
    };
    const { code, finding, groups } = await until(found, { timeout: 20000 });
    assert.deepStrictEqual([code, finding.state, groups[0].state], [0, 'warning', 'ok']);
    assert.deepStrictEqual(finding.consumers, ['dead-1', 'dead-2', 'dead-3', 'dead-4', 'dead-5', 'dead-6']);
    assert.match(
      finding.detail,
      /^mailer of mails has 6 consumers without pending entries, idle for 50 ms or longer: dead-1, .*dead-5 and 1 more(; before Redis 7\.2 .*)?$/,
    );
    const { said } = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual(of(said, 'consumers'), []);
  });

  it('does not report a group as stuck while a consumer works on it', async (t) => {
    const { redis, url } = await healthy(t);
    const [stream, group] = [keys.stream('mails'), keys.group('mailer')];
    await redis.call('XGROUP', 'CREATE', stream, group, '$', 'MKSTREAM');
    for (const job of ['one', 'two']) await redis.call('XADD', stream, '*', 'prd', 'p', 'job', job);
    await redis.call('XREADGROUP', 'GROUP', group, 'worker', 'COUNT', '1', 'STREAMS', stream, '>');
    const { code, said } = await asked(['doctor', '--url', url]);
    assert.deepStrictEqual([code, of(said, 'groups')[0].state], [0, 'ok'], JSON.stringify(of(said, 'groups')));
  });

  it('reports that a bus cannot write to a replica', async (t) => {
    const { redis } = await healthy(t);
    const { url } = await healthy(t, '--replicaof', '127.0.0.1', String(redis.port));
    const { code, stdout } = await hfxbus(['doctor', '--url', url]);
    assert.strictEqual(code, 1);
    assert.match(stdout, /^problem +role +\S+ +(a replica|it is loading)/m);
  });

  it('names the unreachable one of several nodes, and checks the others', async (t) => {
    const { redis, url } = await healthy(t);
    const port = await freePort();
    const gone = `redis://:secret@127.0.0.1:${port}`;
    const { code, said } = await asked(['doctor', '--url', gone, '--url', url]);
    assert.strictEqual(code, 1);
    const { detail, ...away } = of(said, 'connection')[0];
    assert.deepStrictEqual(away, { check: 'connection', node: `127.0.0.1:${port}`, state: 'problem' });
    assert.match(detail, /^connect ECONNREFUSED/);
    assert.deepStrictEqual(
      of(said, 'version').map(({ node }) => node),
      [`127.0.0.1:${redis.port}`],
    );
    assert.doesNotMatch(JSON.stringify(said), /secret/);
  });
});
