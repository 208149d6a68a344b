'use strict';

const { ConnectionManager, Producer } = require('hfxbus');

const connection = ConnectionManager.standalone(process.env.REDIS_URL);

async function main() {
  const job = new Producer(connection).job();
  await job.set('value', 'bundled').push();
  console.log((await job.get('value', false).del('value').pull()).value);
  await connection.stop();
}

main();
