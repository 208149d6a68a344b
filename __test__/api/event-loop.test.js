'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/wait-until.js');

/* The thread of the engine's work: Node's own under low load, so that a reply wakes no other thread. */

const SENDS = 400;
/** For how long leases are good here, in ms. */
const DEADLINE = 1500;

/** Sends one job after the other, and says how often the engine's thread was woken for each. */
async function sendOneByOne({ hfxbus, options, data, print }) {
  const { readFileSync, readdirSync } = require('node:fs');
  const wakings = () => {
    const all = readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/status`, 'utf8'));
    const engine = all.find((status) => status.startsWith('Name:\thfxbus\n'));
    return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(engine)[1]);
  };
  const connection = hfxbus.ConnectionManager.standalone(options);
  const producer = new hfxbus.Producer(connection);
  const send = () => producer.send({ stream: data.stream, job: producer.job() });
  for (let left = 50; left > 0; left--) await send();
  const before = wakings();
  for (let left = data.sends; left > 0; left--) await send();
  print('wakings', (wakings() - before) / data.sends);
  await connection.stop();
}

async function wakings(scene, variables) {
  const child = scene.child(sendOneByOne, { data: { stream: scene.stream, sends: SENDS }, variables });
  const [perSend] = await child.says('wakings');
  assert.deepStrictEqual([(await child.exit()).code, child.stderr], [0, '']);
  return perSend;
}

ours('a reply wakes only the thread of JavaScript', async (_, scene) => {
  const perSend = await wakings(scene, {});
  assert.ok(perSend < 0.3, `${perSend}`);
});

ours('with HFXBUS_ENGINE=thread the engine thread handles every reply', async (_, scene) => {
  const perSend = await wakings(scene, { HFXBUS_ENGINE: 'thread' });
  assert.ok(perSend > 0.7, `${perSend}`);
});

ours('jobs keep their lease while JavaScript blocks the event loop', async (_, scene) => {
  await scene.redis.call('XGROUP', 'CREATE', keys.stream(scene.stream), keys.group(scene.group), '0', 'MKSTREAM');
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      const connection = hfxbus.ConnectionManager.standalone(options);
      const [producer, { group, stream, deadline }] = [new hfxbus.Producer(connection), data];
      const consumer = new hfxbus.Consumer(connection, { group, claimInterval: 100, claimDeadline: deadline });
      const processor = async (job) => {
        // From here on the engine's work is this thread's.
        for (let left = 100; left > 0; left--) await job.set('a', 'b').push();
        print('begun');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * deadline);
        print('over');
      };
      consumer.process({ stream, processor });
      await consumer.play();
      await producer.send({ stream, job: producer.job() });
      consumer.once('drained', () => connection.stop());
    },
    { data: { group: scene.group, stream: scene.stream, deadline: DEADLINE } },
  );
  await child.says('begun');
  let longest = 0;
  await until(async () => {
    const list = await scene.redis.call('XPENDING', keys.stream(scene.stream), keys.group(scene.group), '-', '+', 1);
    longest = Math.max(longest, list[0]?.[2] ?? 0);
    return child.printed.some(([word]) => word === 'over');
  });
  assert.ok(longest > 0 && longest < DEADLINE, `idle for ${longest} ms`);
  assert.strictEqual((await child.exit()).code, 0);
});
