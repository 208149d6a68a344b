'use strict';

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { everySubject } = require('../support/implementations.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');
const { BUSES } = require('./carried-buses.js');
const { LIMIT, Pair } = require('./carried-pair.js');

/* Payload values that entries and completions carry, between both packages on every kind of bus. */

const JOBS = 30;
/** Jobs of the case with two groups. */
const MANY = 100;
const [original, ours] = ['original', 'ours'].map((env) => everySubject.find((subject) => subject.env === env));

/** Ways to send. `isNew` is true for those that a consumer of 2.2.0 cannot serve. */
const WAYS = {
  'by default': { senders: everySubject },
  'with carry: true': { send: { carry: true } },
  'with carry: false': { send: { carry: false } },
  'with a list of keys': { send: { carry: ['inbound'] } },
  'with values that are not pushed': { isPushed: false },
  'with capped': { send: { capped: 1000 } },
  'with returns': { send: { returns: ['outbound'] } },
  'with returns, durable': { send: { returns: ['outbound'], durable: true } },
  durable: { senders: everySubject, send: { durable: true } },
  "with payload: 'entry'": { isNew: true, isPushed: false, send: { returns: ['outbound'], payload: 'entry' } },
  "with payload: 'entry', durable": {
    isNew: true,
    isPushed: false,
    send: { returns: ['outbound'], payload: 'entry', durable: true },
  },
};

let names = 0;

/** Returns unused ids of jobs. */
function newIds(count) {
  const batch = names++;
  return Array.from({ length: count }, (_, at) => `carried-${batch}-${at}`);
}

/** Fails if a group has not seen the input of every job once. */
function assertSeen(seen, ids) {
  assert.deepStrictEqual([...seen].sort(), ids.map((id) => [id, id]).sort());
}

/** Registers a case that closes its pair. */
function pairCase(title, bus, producer, run) {
  it(title, { timeout: LIMIT + 10000 }, async () => {
    const pair = new Pair(bus(), `carried-${names++}`, producer);
    try {
      await run(pair);
      assert.deepStrictEqual(pair.errors, []);
    } finally {
      await pair.close();
    }
  });
}

function pairings(bus) {
  for (const producer of everySubject) {
    for (const consumer of everySubject) {
      for (const [way, { senders = [ours], isNew = false, isPushed, send }] of Object.entries(WAYS)) {
        if (!senders.includes(producer) || (isNew && consumer !== ours)) continue;
        pairCase(`producer ${producer.name}, consumer ${consumer.name}: ${way}`, bus, producer, async (pair) => {
          await pair.play(consumer);
          const ids = newIds(JOBS);
          const jobs = await pair.send(ids, send, { isPushed });
          const outcomes = await pair.outcomes(jobs);
          assert.deepStrictEqual(
            outcomes,
            ids.map((id) => ['Date', `${id} world!`]),
          );
          await pair.settled();
          assertSeen(pair.seen.group, ids);
          await nothingIsLeft(bus(), ids);
        });
      }
    }
  }
}

/** Waits until no payload key of the jobs is left. On several servers a removal follows the settlement. */
async function nothingIsLeft(bus, ids) {
  const names = ids.flatMap((id) => ['inbound', 'outbound'].map((key) => keys.payload(id, key)));
  const count = async (server) => {
    const all = await server.call('KEYS', keys.payload('*', '*'));
    return all.filter((name) => names.includes(name)).length;
  };
  await until(async () => (await Promise.all(bus.servers.map(count))).every((left) => left === 0), {
    timeout: LIMIT,
    what: 'no payload key',
  });
}

/** A group of 2.2.0 removes the value before a group of ours reads it. */
function groups(bus) {
  for (const [title, first] of [
    ['2.2.0', original],
    ['ours', ours],
  ]) {
    pairCase(`a group sees the values that a group of ${title} has removed`, bus, ours, async (pair) => {
      await pair.play(first);
      const ids = newIds(MANY);
      const outcomes = await pair.outcomes(await pair.send(ids));
      assert.deepStrictEqual(
        outcomes,
        ids.map((id) => ['Date', `${id} world!`]),
      );
      await nothingIsLeft(bus(), ids);
      await pair.play(ours, { group: 'later', fromId: '0' });
      await until(() => pair.seen.later.length === MANY, { timeout: LIMIT, what: 'the second group' });
      await pair.settled('later');
      assertSeen(pair.seen.group, ids);
      assertSeen(pair.seen.later, ids);
    });
  }
}

for (const [name, start] of Object.entries(BUSES)) {
  describe(`carried values on ${name}`, () => {
    let running = null;
    before(async () => {
      running = await start();
    });
    after(() => running?.kill());
    const bus = () => running;
    pairings(bus);
    groups(bus);
  });
}
