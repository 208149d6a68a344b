'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { describe, it } = require('node:test');
const { EmbeddedRedis } = require('../../testing.js');
const { RedisServer } = require('../support/redis-server.js');
const { described, differential } = require('./differential/differential.js');
const { shrink } = require('./differential/shrink.js');

/** npm run test:embedded sends a hundred thousand. */
const COMMANDS = 10_000;

const isRedis7 = / v=7\.0\./.test(
  spawnSync(new RedisServer(0, []).program, ['--version'], { encoding: 'utf8' }).stdout,
);

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 120000;

describe('the same commands on a real Redis and on the embedded server', { timeout: LIMIT }, () => {
  // Other versions differ from this one themselves.
  const compare = isRedis7 ? it : () => {};
  compare('have the same replies', async (t) => {
    const [real, embedded] = [await RedisServer.start(), await EmbeddedRedis.start()];
    t.after(() => Promise.all([real.kill(), embedded.stop()]));
    const { commands, differences } = await differential([real.port, embedded.port], {
      commands: COMMANDS,
      seed: 20261124,
    });
    assert.deepStrictEqual(differences.map(described), []);
    assert.strictEqual(commands, COMMANDS);
  });

  it('are reported and shortened if the replies differ', async (t) => {
    const [one, other] = [await EmbeddedRedis.start(), await EmbeddedRedis.start({ chaos: { loseCompletion: 1 } })];
    t.after(() => Promise.all([one.stop(), other.stop()]));
    const { differences } = await differential([one.port, other.port], { commands: 2000, seed: 1, most: 1 });
    const names = differences[0].shortest.map(({ words }) => words[0]);
    assert.ok(names.length <= 4 && names.includes('PUBLISH') && /SUBSCRIBE/.test(names.join()), names.join(' '));
  });

  it('are shortened to the needed commands, at any position', async () => {
    const fails = async (items) => items.includes(3) && items.includes(71);
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    assert.deepStrictEqual(await shrink(numbers, fails), [3, 71]);
  });
});
