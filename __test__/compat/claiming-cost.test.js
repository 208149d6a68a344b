'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');
const { Gate } = require('../support/gate.js');
const { keys } = require('../support/keys.js');
const { until } = require('../support/until.js');

const STREAMS = 10;
/** An XPENDING with a range looks for entries; without one it only counts them. */
const searches = (words) => words[0] === 'XPENDING' && words.length > 3;

/** A consumer of some streams that claims, once it has done so a few times, and what it says from then on. */
async function play(scene, processor = () => {}) {
  const consumer = scene.consumer({ concurrency: 2, claimInterval: 40, claimDeadline: 60000 });
  const streams = Array.from({ length: STREAMS }, () => scene.name('stream'));
  for (const stream of streams) consumer.process({ stream, processor });
  const monitor = await scene.monitor();
  await consumer.play();
  const counts = async () => (await monitor.named('XPENDING')).filter((words) => !searches(words)).length;
  await until(async () => (await counts()) > STREAMS);
  await monitor.clear();
  return { streams, monitor, counts };
}

ours('streams that have nothing pending are not searched but in one round of five', async (_, scene) => {
  const { monitor, counts } = await play(scene);
  await until(async () => (await counts()) >= 8 * STREAMS);
  const commands = await monitor.commands();
  const count = (is) => commands.filter(is).length;
  const [counted, searched] = [count(([name, ...rest]) => name === 'XPENDING' && rest.length === 2), count(searches)];
  // Eight counted, two searched; one more or less of each round at either end.
  assert.ok(Math.abs(searched - counted / 4) <= STREAMS / 2, `${searched} searches, ${counted} counts`);
  assert.strictEqual(
    count(([name, word]) => name === 'XINFO' && word.toUpperCase() === 'STREAM'),
    searched,
  );
});

ours('a stream that has something pending is searched in the next round', async (_, scene) => {
  const gate = new Gate();
  const { streams, monitor } = await play(scene, () => gate.opened);
  const [stream] = streams;
  await scene.add('job', { stream });
  await until(async () => {
    const about = (await monitor.named('XPENDING')).filter((words) => words[1] === keys.stream(stream));
    const last = about.slice(-4);
    return last.length === 4 && last.filter(searches).length >= 2;
  });
  gate.open();
});
