'use strict';

const { parseArgs } = require('node:util');
const { RedisServer } = require('../../support/redis-server.js');
const { EmbeddedRedis } = require('../../../testing.js');
const { differential } = require('./differential.js');

const HELP = `node __test__/embedded/differential/run.js [options]

Sends random commands to a real Redis and to the embedded one, and says what differs, with the shortest way there.

  --commands <n>  how many, 100000
  --seed <n>      the same for the same, 1
`;

async function main() {
  const { values } = parseArgs({
    options: { commands: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) return console.log(HELP);
  const [commands, seed] = [Number(values.commands ?? 100_000), Number(values.seed ?? 1)];
  const real = await RedisServer.start();
  const embedded = await EmbeddedRedis.start();
  const start = Date.now();
  const outcome = await differential([real.port, embedded.port], { commands, seed, say: (line) => console.log(line) });
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  console.log(`${outcome.commands} commands, seed ${seed}, ${outcome.differences.length} differences, ${seconds} s`);
  await embedded.stop();
  real.kill();
  process.exitCode = outcome.differences.length > 0 ? 1 : 0;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
