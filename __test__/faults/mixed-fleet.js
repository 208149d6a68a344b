'use strict';

const killedConsumers = require('./killed-consumers.js');
const killedRedis = require('./killed-redis.js');

/** Consumers of both packages are killed; ours claim for all. */
async function kill(trial) {
  return killedConsumers.run(trial, { subjects: [trial.subject, trial.original], producing: trial.original });
}

const [{ run }] = killedRedis;

module.exports = [
  { id: 'F25', title: 'consumers of both packages, producer of 2.2.0, kill -9', run: kill },
  {
    id: 'F25o',
    title: 'producer of 2.2.0, ours consumes, kill -9 of Redis',
    run: (trial) => run(trial, { producing: trial.original }),
  },
  {
    id: 'F25n',
    title: 'producer of ours, 2.2.0 consumes, kill -9 of Redis',
    run: (trial) => run(trial, { consuming: trial.original }),
  },
];
