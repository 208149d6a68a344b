'use strict';

/** A process that sends a job for each case and prints what came of it. */
async function produce({ hfxbus, options, data, print }) {
  const { open } = require(`${data.folder}/bus.js`);
  const { PAYLOADS, THROWN, completion, describe } = require(`${data.folder}/values.js`);
  const { connection, routed } = open(hfxbus, options);
  const producer = new hfxbus.Producer(connection);
  // Producers of one connection hear each other's completions in 2.2.0.
  const passive = new hfxbus.Producer(open(hfxbus, options).connection);
  const heard = [];
  const [first, second] = data.groups;
  const { stream } = data;

  const send = async (job, given) => {
    await producer.send({ stream, job, waitFor: [first], ...routed, ...given });
    // 2.2.0 sends only now.
    return job.finished(5000);
  };
  const plain = (completions) =>
    Object.fromEntries(Object.entries(completions).map(([group, outcome]) => [group, completion(outcome)]));

  const cases = {
    payload: async (name) => {
      const isBytes = Buffer.isBuffer(PAYLOADS[name]);
      const job = producer.job();
      await job
        .set('inbound', PAYLOADS[name])
        .set('act', { echoes: isBytes ? 'bytes' : 'json' })
        .push();
      await send(job);
      const { outbound, seen } = await job
        .get('outbound', isBytes)
        .get('seen', false)
        .del('outbound')
        .del('seen')
        .pull();
      return [seen, describe(outbound)];
    },
    thrown: async (name) => {
      const job = producer.job();
      await job.set('act', { throws: name }).push();
      return plain(await send(job))[first];
    },
    rejection: async () => {
      const job = producer.job();
      await job.set('act', { throws: 'an Error' }).push();
      const rejected = await send(job, { waitFor: [first, 'nobody'], rejectOnError: true }).catch((reason) => reason);
      return [rejected instanceof Error, plain(rejected)[first], rejected.nobody];
    },
    groups: async () => plain(await send(producer.job(), { waitFor: [first, second] })),
    events: async () => {
      const ids = Array.from({ length: 20 }, (_, at) => `heard-${at}`);
      await Promise.all(ids.map((id) => send(producer.job(id), { waitFor: [first, second] })));
      const expected = 2 * ids.length;
      const isOurs = ([, job]) => job.startsWith('heard-');
      while (heard.filter(isOurs).length < expected) await new Promise((resolve) => setTimeout(resolve, 5));
      return heard.filter(isOurs).sort();
    },
    failureEvent: async () => {
      const job = producer.job('failing');
      await job.set('act', { throws: 'a text' }).push();
      await send(job);
      const find = () => heard.find(([, id, group]) => id === job.id && group === first);
      while (!find()) await new Promise((resolve) => setTimeout(resolve, 5));
      return find()[0];
    },
    many: async () => {
      const jobs = Array.from({ length: 300 }, () => producer.job());
      const completions = await Promise.all(jobs.map((job) => send(job)));
      return completions.map(plain).filter((outcome) => outcome[first] === 'Date').length;
    },
    capped: async () => {
      for (let at = 0; at < 600; at += 100) {
        const some = Array.from({ length: 100 }, () => producer.job());
        await Promise.all(some.map((job) => producer.send({ stream, job, capped: 5, ...routed })));
      }
      return plain(await send(producer.job(), { capped: 5 }))[first];
    },
  };

  passive.on(stream, (error, job, group) => heard.push([completion(error), job, group]));
  producer.on('error', (error) => print('error', error.code, error.message));
  passive.on('error', (error) => print('error', error.code, error.message));
  await Promise.all([producer.listen(), passive.listen(stream)]);
  const names = [
    ...Object.keys(PAYLOADS).map((name) => ['payload', name]),
    ...Object.keys(THROWN).map((name) => ['thrown', name]),
    ...['rejection', 'groups', 'events', 'failureEvent', 'many', 'capped'].map((kind) => [kind]),
  ];
  for (const [kind, name] of names) {
    const outcome = await cases[kind](name).catch((error) => `failed: ${error.stack ?? JSON.stringify(error)}`);
    print([kind, name].filter((word) => word !== undefined).join(': '), outcome);
  }
  print('done');
}

module.exports = { produce };
