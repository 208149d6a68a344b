'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { asked, hfxbus } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');
const { stuckBus } = require('./stuck.js');

/** Of each group, where the only entry of a job is. */
async function statesOf(job, url) {
  const { code, said } = await asked(['why', job, '--url', url]);
  assert.strictEqual(code, 0);
  const [entry, ...others] = said.entries;
  assert.deepStrictEqual(others, []);
  const groups = Object.fromEntries(entry.groups.map(({ group, ...rest }) => [group, rest]));
  return { entry, groups, payload: said.payload };
}

describe('npx hfxbus why', () => {
  it('reports for each group if a job waits, is pending or is done, and the size of its payload', async (t) => {
    const { redis, url } = await stuckBus(t);
    const node = `127.0.0.1:${redis.port}`;
    const waiting = { state: 'waiting', owner: null, idle: null, deliveries: null };

    const held = await statesOf('held', url);
    const [[id], , [lateId]] = await redis.call('XRANGE', keys.stream('mails'), '-', '+');
    assert.deepStrictEqual([held.entry.stream, held.entry.node, held.entry.id], ['mails', node, id]);
    const [[, owner]] = await redis.call('XPENDING', keys.stream('mails'), keys.group('mailer'), '-', '+', 1);
    const { idle, ...mailer } = held.groups.mailer;
    assert.deepStrictEqual(mailer, { state: 'pending', owner, deliveries: 1 });
    assert.ok(idle >= 0 && idle < 60_000, `${idle}`);
    assert.deepStrictEqual(held.groups.archive, waiting);
    assert.deepStrictEqual(held.payload, [{ key: 'to', node, bytes: '"ann@example.org"'.length, ttl: null }]);

    assert.strictEqual((await statesOf('done', url)).groups.mailer.state, 'done');
    const late = await statesOf('late', url);
    assert.strictEqual(late.entry.id, lateId);
    assert.deepStrictEqual(late.groups, { archive: waiting, mailer: waiting });
  });

  it('prints the same as tables, without content of the payload', async (t) => {
    const { url } = await stuckBus(t);
    const { code, stdout } = await hfxbus(['why', 'held', '--url', url]);
    assert.strictEqual(code, 0);
    assert.match(stdout, /^mails +\S+ +\d+-\d+ +\d+ \w+ ago +mailer +pending +\S+ +\d+ \w+ +1$/m);
    assert.match(stdout, /^to +\S+ +17 +never$/m);
    assert.doesNotMatch(stdout, /example/);
  });

  it('says of a job without an entry from which streams retention removes entries', async (t) => {
    const { redis, url } = await stuckBus(t);
    const without = await hfxbus(['why', 'gone', '--url', url]);
    assert.match(without.stdout, /^Job gone has no entry in a stream, and no payload\.$/m);
    await redis.call('SET', 'hfxbus:ret:mails', '0-0 1-1 5');
    await redis.call('SET', 'hfxbus:rtl:forms', 'consumer');
    const { code, stdout } = await hfxbus(['why', 'gone', '--url', url]);
    assert.strictEqual(code, 1);
    assert.match(stdout, /no payload\. Entries that every group has acknowledged are removed from forms, mails\.$/m);
  });

  it('says of a pending job that it holds a stream with retention', async (t) => {
    const { redis, url } = await stuckBus(t);
    const holds = /^The entry \d+-\d+ holds the entries behind it in mails, since it is pending$/m;
    await redis.call('XGROUP', 'DESTROY', keys.stream('mails'), keys.group('archive'));
    assert.doesNotMatch((await hfxbus(['why', 'held', '--url', url])).stdout, holds);
    await redis.call('SET', 'hfxbus:rtl:mails', 'consumer');
    assert.match((await hfxbus(['why', 'held', '--url', url])).stdout, holds);
    assert.doesNotMatch((await hfxbus(['why', 'done', '--url', url])).stdout, holds);
  });

  it('names the values that an entry carries, without their content', async (t) => {
    const { redis, url } = await stuckBus(t);
    const fields = ['prd', 'p', 'job', 'own', 'val:to', 'ann@example.org', 'own', '1'];
    await redis.call('XADD', keys.stream('mails'), '*', ...fields);
    const { entry } = await statesOf('own', url);
    assert.deepStrictEqual(entry.carried, ['to']);
    const { stdout } = await hfxbus(['why', 'own', '--url', url]);
    assert.match(stdout, /^The entry in mails carries to$/m);
    assert.doesNotMatch(stdout, /example/);
  });

  it('finds a job beyond one page of entries, and a payload without an entry', async (t) => {
    const { redis, url } = await stuckBus(t);
    const add = (_, at) => ['XADD', keys.stream('many'), '*', 'prd', 'p', 'job', `job-${at}`];
    await redis.client.callAll(Array.from({ length: 2500 }, add));
    const { said } = await asked(['why', 'job-2400', '--url', url]);
    assert.deepStrictEqual(
      said.entries.map(({ stream, producer, groups }) => [stream, producer, groups]),
      [['many', 'p', []]],
    );
    await redis.call('SET', keys.payload('lonely', 'key'), 'value', 'PX', '100000');
    const lonely = await asked(['why', 'lonely', '--url', url]);
    assert.deepStrictEqual([lonely.code, lonely.said.entries, lonely.said.payload.length], [0, [], 1]);
    assert.ok(lonely.said.payload[0].ttl > 0);
  });

  it('exits with 1 for an unknown job, or a job outside the given stream', async (t) => {
    const { url } = await stuckBus(t);
    const { code, said } = await asked(['why', 'nobody', '--url', url]);
    assert.deepStrictEqual([code, said], [1, { jobId: 'nobody', entries: [], payload: [] }]);
    const elsewhere = await asked(['why', 'held', '--stream', 'other', '--url', url]);
    assert.deepStrictEqual(elsewhere.said.entries, []);
    assert.strictEqual((await hfxbus(['why', 'held*', '--url', url])).code, 1);
  });
});
