'use strict';

const { until } = require('./wait-until.js');

/** Ends a server's subscribers, and waits until there is a connection of that name which was not there before. */
async function replaceSubscribers(redis, name) {
  const newest = async () => {
    const list = await redis.call('CLIENT', 'LIST');
    const named = list.split('\n').filter((line) => line.includes(` name=${name} `));
    return Math.max(0, ...named.map((line) => Number(/^id=(\d+)/.exec(line)[1])));
  };
  const before = await newest();
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await until(async () => (await newest()) > before, { what: `another connection named ${name}` });
}

module.exports = { replaceSubscribers };
