'use strict';

const { ConnectionManager, Consumer, Producer } = require('../..');

const { startupNodes, streams, inFlight, completions, name } = JSON.parse(process.argv[2]);
const GROUP = 'growth';

/** Round trips of one process: a producer and a consumer of all streams. */
class Load {
  #connection = ConnectionManager.cluster(startupNodes, { completions });
  #consumer = new Consumer(this.#connection, { group: GROUP, id: `consumer-${name}`, concurrency: inFlight });
  #producer = new Producer(this.#connection);

  async begin() {
    for (const stream of streams) {
      this.#consumer.process({ stream, processor: async (job) => job.resolve() });
    }
    await this.#consumer.play();
  }

  /** Sends a number of jobs and waits for their completions, in turn over all streams. */
  async run(count) {
    let sent = 0;
    const work = async () => {
      while (sent < count) {
        const stream = streams[sent++ % streams.length];
        const job = await this.#producer.send({ stream, job: this.#producer.job(), waitFor: [GROUP] });
        await job.finished(20000);
      }
    };
    const start = process.cpuUsage();
    await Promise.all(Array.from({ length: inFlight }, work));
    const { user, system } = process.cpuUsage(start);
    return { cpu: user + system };
  }

  async end() {
    await this.#connection.stop();
  }
}

const load = new Load();
process.on('message', async ({ method, args }) => {
  try {
    process.send({ result: await load[method](...args) });
  } catch (error) {
    process.send({ error: error.stack });
  }
});
process.on('disconnect', () => process.exit(0));
