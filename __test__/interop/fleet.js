'use strict';

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { Child } = require('../support/child.js');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { everySubject } = require('../support/implementations.js');
const { until } = require('../support/wait-until.js');
const { consume } = require('./consumer.js');
const { produce } = require('./producer.js');
const values = require('./values.js');

/** Maximum time of a fleet for all its cases, in ms. */
const LIMIT = 30000;
const GROUPS = ['first', 'second'];
/** Names with characters of all kinds. */
const STREAM = 'ação:stream';

/** A producer and two consumers of two groups, each in a process of its own, on servers of their own. */
class Fleet {
  #children = [];

  constructor(topology, producer, consumer) {
    this.topology = topology;
    this.subjects = { producer, consumer };
  }

  /** The second group's consumer is of the other package, so that each job is completed by both. */
  async start() {
    this.servers = await Promise.all(Array.from({ length: this.topology.servers }, () => RedisServer.start()));
    const { producer, consumer } = this.subjects;
    const other = everySubject.find(({ name }) => name !== consumer.name);
    const consumers = [
      this.#child(consumer, consume, { group: GROUPS[0] }),
      this.#child(other, consume, { group: GROUPS[1], isIdle: true }),
    ];
    await Promise.all(consumers.map((child) => child.says('plays', LIMIT)));
    this.producer = this.#child(producer, produce, { groups: GROUPS });
  }

  /** Returns the result of a case. */
  async outcome(name) {
    const [outcome] = await this.producer.says(name, LIMIT);
    return outcome;
  }

  /** Returns the errors that the processes reported until the end. */
  async complaints() {
    await this.producer.says('done', LIMIT);
    return this.#children.flatMap((child) => [
      ...child.printed.filter(([word]) => word === 'error'),
      ...[child.stdout, child.stderr].filter(Boolean),
    ]);
  }

  /** Something summed up over the servers. */
  async sum(read) {
    const each = await Promise.all(this.servers.map(read));
    return each.reduce((sum, one) => sum + one);
  }

  end() {
    for (const child of this.#children) child.kill();
    for (const server of this.servers) server.kill();
  }

  #child(subject, run, data) {
    const options = this.topology.options(this.servers.map((server) => server.options));
    const child = new Child(subject, run, {
      options,
      data: { folder: __dirname, stream: STREAM, ...data },
      limit: LIMIT,
    });
    this.#children.push(child);
    return child;
  }
}

/**
 * Registers the cases of all four pairings on a topology.
 * @param {{ name: string, servers: number, options: (nodes: object[]) => object }} topology
 */
function pairings(topology) {
  for (const producer of everySubject) {
    for (const consumer of everySubject) {
      describe(`${topology.name}: producer ${producer.name}, consumer ${consumer.name}`, { timeout: LIMIT }, () => {
        const fleet = new Fleet(topology, producer, consumer);
        before(() => fleet.start());
        after(() => fleet.end());
        payloads(fleet);
        failures(fleet);
        completions(fleet);
      });
    }
  }
}

function payloads(fleet) {
  for (const [name, value] of Object.entries(values.PAYLOADS)) {
    it(`${name} arrives and comes back`, async () => {
      const expected = values.describe(value);
      assert.deepStrictEqual(await fleet.outcome(`payload: ${name}`), [expected, expected]);
    });
  }
}

function failures(fleet) {
  for (const [name, { data, original }] of Object.entries(values.THROWN)) {
    it(`${name} that is thrown reaches the producer`, async () => {
      const expected = fleet.subjects.producer.env === 'original' ? (original ?? data) : data;
      assert.deepStrictEqual(await fleet.outcome(`thrown: ${name}`), expected);
    });
  }
  it('rejectOnError rejects with the completions', async () => {
    const { data } = values.THROWN['an Error'];
    assert.deepStrictEqual(await fleet.outcome('rejection'), [false, data, null]);
  });
  it('a failure is an event for listeners of the stream', async () => {
    assert.strictEqual(await fleet.outcome('failureEvent'), values.THROWN['a text'].data);
  });
}

function completions(fleet) {
  it('a job is completed by groups of both packages', async () => {
    assert.deepStrictEqual(await fleet.outcome('groups'), { first: 'Date', second: 'Date' });
  });
  it('a listener of the stream receives each completion once', async () => {
    const ids = Array.from({ length: 20 }, (_, at) => `heard-${at}`);
    const expected = ids.flatMap((id) => GROUPS.map((group) => [null, id, group]));
    assert.deepStrictEqual(await fleet.outcome('events'), expected.sort());
  });
  it('of many jobs at once each is completed', async () => {
    assert.strictEqual(await fleet.outcome('many'), 300);
  });
  it('a capped stream stays short, and its last job is completed', async () => {
    assert.strictEqual(await fleet.outcome('capped'), 'Date');
    const length = await fleet.sum((server) => server.call('XLEN', keys.stream(STREAM)));
    assert.ok(length < 450, `${length} entries`);
  });
  it('only failed jobs are pending in the end, and no error is reported', async () => {
    assert.deepStrictEqual(await fleet.complaints(), []);
    const failed = Object.keys(values.THROWN).length + 2;
    const pending = (group) =>
      fleet.sum(async (server) => {
        const exists = await server.call('EXISTS', keys.stream(STREAM));
        return exists ? (await server.call('XPENDING', keys.stream(STREAM), keys.group(group)))[0] : 0;
      });
    await until(async () => (await pending('first')) === failed && (await pending('second')) === 0);
  });
}

module.exports = { pairings };
