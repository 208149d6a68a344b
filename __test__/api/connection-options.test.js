'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { DEFAULT_REDIS_OPTIONS } = require('ioredis/built/redis/RedisOptions.js');
const { ours } = require('../support/cases.js');
const { documentedOptions, hasTest } = require('../support/documented-options.js');
const elsewhere = require('./option-cases/elsewhere.js');
const { REFUSED, WITHOUT_EFFECT, WORKING } = require('./option-cases/connection.js');

const working = documentedOptions('options of a connection');
const others = documentedOptions('other options of a connection');

test('every documented option of a connection has a case here, and every case is documented', () => {
  const of = (verdict) => others.filter((one) => one.verdict.includes(verdict)).map(({ option }) => option);
  assert.deepStrictEqual(Object.keys(WORKING).sort(), working.map(({ option }) => option).sort());
  assert.deepStrictEqual(Object.keys(WITHOUT_EFFECT).sort(), of('without effect').sort());
  assert.deepStrictEqual(Object.keys(REFUSED).sort(), of('Error').sort());
  assert.strictEqual(others.length, of('without effect').length + of('Error').length);
});

test('every option that ioredis 4 has a default for is documented', () => {
  const sentinel = documentedOptions('options of a Redis that sentinels know');
  const known = [...working, ...others, ...sentinel].map(({ option }) => option);
  assert.deepStrictEqual(
    Object.keys(DEFAULT_REDIS_OPTIONS).filter((option) => !known.includes(option)),
    [],
  );
});

for (const { option } of working) {
  ours(`the option ${option} does what it does in ioredis`, (_, scene) => WORKING[option](scene));
}

for (const { option } of others.filter(({ verdict }) => verdict === 'without effect')) {
  ours(`the option ${option} changes nothing`, async (_, scene) => {
    const expected = await traffic(scene, {});
    for (const value of WITHOUT_EFFECT[option])
      assert.deepStrictEqual(await traffic(scene, { [option]: value }), expected);
  });
}

for (const { option, verdict } of others.filter((one) => one.verdict !== 'without effect')) {
  ours(`${option} is refused`, (_, scene) => {
    const [options, message] = REFUSED[option];
    assert.throws(() => scene.connect(options), { name: verdict, message });
  });
}

/** Returns the commands and the results of a bus that is used in many ways. */
async function traffic(scene, options) {
  const monitor = await scene.monitor();
  const connection = scene.connect(options);
  const client = connection.getClient('mine');
  const results = [
    await client.set('k', 'v'),
    await client.getBuffer('k'),
    await client.pipeline().get('k').del('k').exec(),
  ];
  const job = new scene.hfxbus.Job(client, 'job-1').set('a', 1).set('b', 2);
  await job.push();
  results.push(await job.get('a', false).get('b').del('a').del('b').pull());
  results.push(await client.lpush(client).catch(({ name, message }) => [name, message]));
  await connection.stop();
  return { results, commands: await monitor.commands() };
}

for (const [table, cases] of Object.entries(elsewhere)) {
  test(`every one of the ${table} is documented, and has a test`, () => {
    const documented = documentedOptions(table).map(({ option }) => option);
    assert.deepStrictEqual(Object.keys(cases).sort(), [...documented].sort());
    for (const [option, [file, title]] of Object.entries(cases)) assert.ok(hasTest(file, title), `${option}: ${title}`);
  });
}
