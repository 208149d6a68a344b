'use strict';

/** A process that does with each job what its payload says. */
function consume({ hfxbus, options, data, print }) {
  const { open } = require(`${data.folder}/bus.js`);
  const { THROWN, describe } = require(`${data.folder}/values.js`);
  const { connection, routed } = open(hfxbus, options);
  // 2.2.0 reads one node after the other, each for as long as this, unless it has a place for each of them.
  const consumer = new hfxbus.Consumer(connection, {
    group: data.group,
    concurrency: 16,
    blockTimeout: 20,
    ...routed,
  });
  const run = async (job) => {
    if (data.isIdle) return;
    const { act } = await job.get('act', false).del('act').pull();
    if (act?.throws) throw THROWN[act.throws].make();
    if (!act?.echoes) return;
    const { inbound } = await job
      .get('inbound', act.echoes === 'bytes')
      .del('inbound')
      .pull();
    await job.set('outbound', inbound).set('seen', describe(inbound)).push();
  };
  consumer.process({ stream: data.stream, processor: run });
  consumer.on('error', (error) => print('error', error.code, error.message));
  consumer.play().then(() => print('plays'));
}

module.exports = { consume };
