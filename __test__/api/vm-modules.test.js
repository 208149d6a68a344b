'use strict';

const assert = require('node:assert');
const { ours } = require('../support/cases.js');

/** A module of a context of its own, as test runners have them: its objects, arrays and errors are not those of the bus. */
const MODULE = `
import { ConnectionManager, Consumer, Producer } from 'hfxbus';

const connection = ConnectionManager.standalone({ ...options });
const consumer = new Consumer(connection, { group, concurrency: 2 });
const processor = async (job) => {
  const { items } = await job.get('items', false).pull();
  if (items.length === 0) throw Object.assign(new TypeError('no items'), { code: 'EMPTY' });
  await job.set('bytes', new Uint8Array(items)).set('date', new Date(0)).push();
};
await consumer.process({ stream, processor }).play();
const producer = new Producer(connection);
for (const items of [[1, 2], []]) {
  const job = producer.job();
  await job.set('items', items).push();
  await producer.send({ stream, job, waitFor: [group] });
  const { [group]: outcome } = await job.finished({ timeout: 10000 });
  const { bytes, date } = await job.get('bytes').get('date', false).pull();
  print(String(outcome.code ?? 'done'), bytes ? [...bytes] : null, date);
}
for (const refused of [() => consumer.process({ stream }), () => producer.job().set('key', 1, -1)]) {
  try {
    refused();
  } catch (error) {
    print(error.name);
  }
}
const client = connection.getClient('mine');
print(await client.mget('nothing', 'nowhere'), await client.call('lpush', 'nothing').catch(({ name }) => name));
await connection.stop();
`;

function run({ hfxbus, options, data, print }) {
  const vm = require('node:vm');
  const evaluate = async (group) => {
    const context = vm.createContext({ options, stream: data.stream, group, print });
    const module = new vm.SourceTextModule(data.text, { context });
    const names = Object.keys(hfxbus);
    await module.link(() => {
      const fill = function () {
        for (const name of names) this.setExport(name, hfxbus[name]);
      };
      return new vm.SyntheticModule(names, fill, { context });
    });
    await module.evaluate();
  };
  evaluate(data.groups[0]).then(() => evaluate(data.groups[1]));
}

ours('modules of other contexts use the bus, one after the other', async (_, scene) => {
  const data = { text: MODULE, stream: scene.stream, groups: [scene.name('group'), scene.name('group')] };
  const child = scene.child(run, { data, flags: ['--experimental-vm-modules', '--no-warnings'] });
  const { code } = await child.exit();
  assert.deepStrictEqual([code, child.stdout, child.stderr], [0, '', '']);
  const once = [
    ['done', [1, 2], new Date(0).toJSON()],
    ['EMPTY', null, null],
    ['TypeError'],
    ['RangeError'],
    [[null, null], 'ReplyError'],
  ];
  assert.deepStrictEqual(child.printed, [...once, ...once]);
});
