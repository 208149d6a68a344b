'use strict';

/** A process that sends `data.count` jobs, numbered from 0 on, each for its time, and says once Redis has them. */
async function schedule({ hfxbus, options, data, print }) {
  const { ConnectionManager, Producer } = hfxbus;
  const producer = new Producer(ConnectionManager.standalone(options));
  const PAGE = 500;
  for (let first = 0; first < data.count; first += PAGE) {
    const numbers = Array.from({ length: Math.min(PAGE, data.count - first) }, (_, at) => first + at);
    // Neighbours are due at different times.
    const dueOf = (number) => data.base + Math.floor((((number * 7919) % data.count) / data.count) * data.spread);
    const one = (number) => ({ stream: data.stream, job: producer.job(String(number)), at: dueOf(number) });
    await producer.sendAll(numbers.map(one));
    for (const number of numbers) print('sent', number);
  }
  print('over', data.count);
}

module.exports = { schedule };
