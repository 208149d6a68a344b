'use strict';

const { RedisServer } = require('../__test__/support/redis-server.js');
const { runExamples } = require('./example.js');
const { provideAddon } = require('./addon.js');
const { installPackages } = require('./packages.js');
const { findProgram } = require('./redis-program.js');
const { say, step } = require('./say.js');

/** From a fresh clone to the README's quick start, running in two processes. */
async function quickstart() {
  // A URL that does not do is better known before the build than after it.
  const given = process.env.REDIS_URL ? settings(process.env.REDIS_URL) : null;
  await installPackages();
  await provideAddon();
  const server = given ? null : await ownServer();
  const env = given ?? { REDIS_HOST: '127.0.0.1', REDIS_PORT: `${server.port}` };
  say(`Redis: ${server?.name ?? 'REDIS_URL'}, at ${env.REDIS_HOST}:${env.REDIS_PORT}`);
  await step('examples/consumer.ts and examples/producer.ts', () => runExamples(env));
  await server?.stop();
  say('it works');
}

/** A server of the program that is there, or else the embedded one: nothing is installed for a first look. */
async function ownServer() {
  const program = findProgram();
  if (program) {
    const redis = await RedisServer.start();
    return { port: redis.port, stop: () => redis.kill(), name: `a private server, by ${program}` };
  }
  // Only now: the addon may just have been built.
  const { EmbeddedRedis } = require('../testing.js');
  const redis = await EmbeddedRedis.start();
  const name = 'the embedded server, which is in this process, since there is neither REDIS_URL nor a Redis on PATH';
  return { port: redis.port, stop: () => redis.stop(), name };
}

/** Environment of the examples for a URL. */
function settings(url) {
  const { protocol, hostname, port, username, password, pathname } = parse(url);
  if (protocol !== 'redis:' || username !== '' || !['', '/', '/0'].includes(pathname)) {
    throw new Error('REDIS_URL must be of the form redis://[:password@]host[:port]: the examples know no other');
  }
  return {
    REDIS_HOST: hostname.replace(/^\[|\]$/g, '') || 'localhost',
    REDIS_PORT: port || '6379',
    ...(password && { REDIS_PASSWORD: decodeURIComponent(password) }),
  };
}

function parse(url) {
  try {
    return new URL(url);
  } catch {
    return { protocol: '' };
  }
}

quickstart().then(
  () => process.exit(0),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
