'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/** Sends and runs a job, and one that fails, and says whether the printer was loaded. */
async function run({ hfxbus, options, data, print }) {
  const connection = hfxbus.ConnectionManager.standalone(options);
  const consumer = new hfxbus.Consumer(connection, { group: 'readers' });
  consumer.process({
    stream: data,
    processor: async (job) => {
      if (job.id === 'bad') throw new Error('mine');
      if (job.id === 'unreadable') throw new Proxy(new Error('mine'), { get: () => JSON.parse('') });
    },
  });
  await consumer.play();
  const producer = new hfxbus.Producer(connection);
  for (const id of ['good', 'bad', 'unreadable']) {
    const job = await producer.send({ stream: data, job: producer.job(id), waitFor: ['readers'] });
    await job.finished();
  }
  await connection.stop();
  print(
    'loaded',
    Object.keys(require.cache).filter((file) => /node_modules.(debug|ms).|facade.support.debug/.test(file)).length,
  );
}

/** Returns the output of such a process, by the topic after `hfxbus:`. */
async function printed(scene, DEBUG) {
  const data = scene.name('stream');
  const child = scene.child(run, { data, variables: { DEBUG, DEBUG_COLORS: 'no' } });
  const { code } = await child.exit();
  assert.strictEqual(code, 0, child.stderr);
  const [[, loaded]] = child.printed;
  const lines = child.stderr.split('\n').filter(Boolean);
  // With the time in front of it where it is no terminal.
  const said = lines.map((line) => line.match(/^\S+Z hfxbus:(?<text>.*)$/)?.groups.text ?? line);
  return { said: said.map((text) => text.replaceAll(data, 'stream')), loaded, stdout: child.stdout };
}

ours('DEBUG=hfxbus:* prints what happens on stderr', async (_, scene) => {
  const { said, stdout } = await printed(scene, 'hfxbus:*');
  const node = `127.0.0.1:${scene.redis.port}`;
  const without = said.filter((line) => !line.startsWith('connection'));
  // Redis can deliver a job before its producer has the reply.
  assert.deepStrictEqual(without.sort(), [
    'receive bad of stream for readers',
    'receive good of stream for readers',
    'receive unreadable of stream for readers',
    'send bad to stream, for readers',
    'send good to stream, for readers',
    'send unreadable to stream, for readers',
    'sent bad to stream',
    'sent good to stream',
    'sent unreadable to stream',
    'settle bad of stream for readers: rejected, mine',
    'settle good of stream for readers: resolved',
    'settle unreadable of stream for readers: rejected, ',
  ]);
  const changes = said.filter((line) => line.startsWith('connection'));
  assert.deepStrictEqual(changes, [`connection ${node}: connect`, `connection ${node}: ready`, 'connection all: end']);
  assert.strictEqual(stdout, '');
});

ours('DEBUG=hfxbus:remove prints which consumers were removed from a group', async (_, scene) => {
  const [key, group] = [keys.stream(scene.stream), keys.group(scene.group)];
  await scene.redis.call('XGROUP', 'CREATE', key, group, '$', 'MKSTREAM');
  const id = await scene.add('job');
  await scene.redis.call('XREADGROUP', 'GROUP', group, 'dead', 'STREAMS', key, '>');
  await scene.redis.call('XACK', key, group, id);
  const play = async ({ hfxbus, options, data }) => {
    const claims = { claimInterval: 20, removeIdleConsumers: 100 };
    const connection = hfxbus.ConnectionManager.standalone(options);
    const consumer = new hfxbus.Consumer(connection, { group: data.group, ...claims });
    await consumer.process({ stream: data.stream, processor: () => {} }).play();
  };
  const data = { stream: scene.stream, group: scene.group };
  const child = scene.child(play, { data, variables: { DEBUG: 'hfxbus:remove', DEBUG_COLORS: 'no' } });
  await until(() => child.stderr.endsWith('\n'));
  assert.match(child.stderr, new RegExp(` hfxbus:remove idle consumers of ${scene.group} on ${scene.stream}: dead\n$`));
});

ours('DEBUG takes lists, wildcards and exclusions', async (_, scene) => {
  const { said } = await printed(scene, 'other,hfxbus:s*,hfxbus:claim,-hfxbus:sent');
  assert.deepStrictEqual(
    said.map((line) => line.split(' ')[0]),
    ['send', 'settle', 'send', 'settle', 'send', 'settle'],
  );
  const all = await printed(scene, '*,-hfxbus:se*,-hfxbus:connection');
  assert.deepStrictEqual(
    all.said.map((line) => line.split(' ')[0]),
    ['receive', 'receive', 'receive'],
  );
});

ours(
  'nothing is printed without DEBUG or for other namespaces; without DEBUG nothing is loaded for it',
  async (_, scene) => {
    const { said, loaded } = await printed(scene, '');
    assert.deepStrictEqual([said, loaded], [[], 0]);
    const { said: others } = await printed(scene, 'express:*');
    assert.deepStrictEqual(others, []);
  },
);
