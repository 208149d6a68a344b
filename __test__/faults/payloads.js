'use strict';

const MEGABYTE = 2 ** 20;
/** One byte less than the default limit of Redis. */
const MOST = 512 * MEGABYTE - 1;

/** A process that writes and reads values of some sizes, then one that is more than Redis takes. */
async function climb({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const producer = new hfxbus.Producer(connection);
  for (const length of data.lengths) {
    const body = Buffer.alloc(length, 'some text ');
    const job = producer.job();
    await job.set('body', body).push();
    const pulled = await job.get('body').del('body').pull();
    print('length', length, body.equals(pulled.body));
  }
  const other = producer.job();
  const outcome = await other
    .set('body', Buffer.alloc(data.tooLong))
    .push()
    .then(
      () => 'accepted',
      (error) => error.code ?? 'no code',
    );
  await other.set('after', 1).push();
  const { after } = await other.get('after', false).pull();
  print('too long', outcome, after === 1);
  await connection.stop({ force: true });
}

async function run(trial) {
  const limit = trial.size >= 8 ? 512 * MEGABYTE : Math.min(trial.times(64), 256) * MEGABYTE;
  const server = await trial.server('--proto-max-bulk-len', String(limit));
  const ladder = [0, 1, 1023, 1024, 65535, 65536, MEGABYTE - 1, 16 * MEGABYTE, limit - 1, limit];
  const lengths = ladder.filter((length) => length <= Math.min(limit, MOST));
  const child = trial.child(climb, {
    options: server.options,
    data: { lengths, tooLong: limit + 1 },
  });
  const [outcome, lives] = await child.says('too long', 60000).catch(() => ['hangs', false]);
  const back = child.printed.filter(([word, , isSame]) => word === 'length' && isSame).length;
  trial.mark('every length comes back exactly', back === lengths.length);
  trial.mark('what is too long fails with a code', !['accepted', 'hangs', 'no code'].includes(outcome));
  trial.mark('the bus goes on', lives);
  return trial.report({ longest: lengths.at(-1), back: `${back} of ${lengths.length}`, outcome });
}

module.exports = { id: 'F13', title: 'payloads of any length', run };
