'use strict';

const { keys } = require('../support/keys.js');

/** Maximum growth of memory, in bytes. */
const MOST_GROWTH = 50e6;
const BAD = Buffer.from([0xff, 0xfe, 0x80]);
const LARGE = Buffer.alloc(1e6, 'x');

/** Forms of an entry, and true for each that is a job. */
const KINDS = [
  { runs: true, fields: () => ['anything', 'else'] },
  { runs: true, fields: () => ['prd', 'somebody'] },
  { runs: true, fields: (id) => ['job', `"'\n\r\0${id}`] },
  { runs: true, fields: (id) => ['job', '__proto__', 'constructor', id] },
  { runs: true, fields: (id) => [BAD, BAD, 'job', `binary-${id}`] },
  { runs: true, fields: (id) => ['job', `twice-${id}`, 'job', `again-${id}`] },
  { runs: true, fields: (id) => ['prd', 'a"b\n}{', 'job', `quoted-${id}`] },
  { runs: false, fields: () => ['prd', 'somebody', 'job', BAD] },
  { runs: false, fields: (id) => ['prd', BAD, 'job', `producer-${id}`] },
];

/** A process that counts what it runs, and says how much memory it has. */
function count({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, { group: data.group, concurrency: 50 });
  let runs = 0;
  const regular = new Set();
  consumer.on('error', (error) => print('error', error.code, error.message));
  const processor = async (job) => {
    runs++;
    if (job.id.startsWith('regular-')) regular.add(job.id);
  };
  consumer.process({ stream: data.stream, processor, fromId: '0' });
  consumer.play().then(() => print('plays'));
  setInterval(() => {
    global.gc();
    print('counts', runs, regular.size, process.memoryUsage().rss);
  }, 100);
}

async function run(trial) {
  const server = await trial.server();
  const child = trial.child(count, {
    options: server.options,
    data: { stream: trial.stream, group: trial.group },
    flags: ['--expose-gc'],
  });
  await child.says('plays', 10000);
  const key = keys.stream(trial.stream);
  const add = (fields) => server.call('XADD', key, '*', ...fields);
  const latest = () => child.printed.at(-1).slice(1);
  const expected = { runs: 0, passedOver: 0 };
  const addSome = async (count) => {
    for (let at = 0; at < count; at += 500) {
      const some = Array.from({ length: Math.min(500, count - at) }, (_, index) => [
        trial.random.pick(KINDS),
        at + index,
      ]);
      await Promise.all(some.map(([{ fields }, id]) => add(fields(id))));
      for (const [{ runs }] of some) expected[runs ? 'runs' : 'passedOver']++;
      // What is not read yet is the server's memory, and not what this is about.
      await trial.until(() => child.printed.length > 0 && latest()[0] >= expected.runs);
    }
  };
  await addSome(2000);
  const [, , before] = latest();
  await addSome(trial.times(30000));
  const large = trial.times(10);
  for (let at = 0; at < large; at++) await add(['job', `large-${at}`, 'body', LARGE]);
  expected.runs += large;
  for (let at = 0; at < 100; at++) await add(['prd', 'somebody', 'job', `regular-${at}`]);
  expected.runs += 100;
  await trial.until(() => latest()[1] === 100 && latest()[0] >= expected.runs);
  const printed = child.printed.length;
  await trial.until(() => child.printed.length > printed + 2);
  const [runs, regular, after] = latest();
  const [pending] = await server.call('XPENDING', key, keys.group(trial.group));
  trial.mark('every regular job done', regular === 100);
  trial.mark('each run once or left pending', runs === expected.runs && pending === expected.passedOver);
  trial.mark('reported, and not for each', trial.errors >= 1 && trial.errors <= 5);
  trial.mark('memory grows by less than 50 MB', after - before < MOST_GROWTH);
  return trial.report({ entries: runs + pending, runs, pending, growth: after - before });
}

module.exports = { id: 'F12', title: 'malformed entries', run };
