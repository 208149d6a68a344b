'use strict';

const { RawClient } = require('../support/raw-client.js');
const { EmbeddedRedis } = require('../../testing.js');

/** A server for one test, with a client of it. */
async function serving(t, options) {
  const redis = await EmbeddedRedis.start(options);
  const clients = [];
  const connect = (onPush) => {
    clients.push(new RawClient(redis.port, onPush));
    return clients.at(-1);
  };
  t.after(async () => {
    for (const client of clients) client.close();
    await redis.stop();
  });
  return { redis, client: connect(), connect };
}

module.exports = { serving };
