'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');
const { read } = require('../package/documents.js');
const { documentedOptions } = require('../support/documented-options.js');
const { EmbeddedRedis } = require('../../testing.js');
const { LEFT_OUT, REASONS } = require('./unsupported.js');
const { serving } = require('./serving.js');
const fs = require('node:fs');
const path = require('node:path');

/** A value that no option takes. */
const WRONG = Symbol('wrong');

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 60000;

describe('the documents about the embedded server', { timeout: LIMIT }, () => {
  it('list exactly the supported commands', async (t) => {
    const { client } = await serving(t);
    const [, rest] = read('docs/testing.md').split('<!-- commands -->\n\n');
    const written = [...rest.slice(0, rest.indexOf('\n\n')).matchAll(/`([A-Z]+)`/g)].map(([, name]) => name);
    const there = (await client.call('COMMAND', 'LIST')).map((name) => name.toUpperCase());
    assert.deepStrictEqual(written.sort(), there.sort());
    assert.strictEqual(await client.call('COMMAND', 'COUNT'), there.length);
    assert.deepStrictEqual((await client.call('PUBSUB', 'HELP')).slice(1), ['CHANNELS', 'NUMPAT', 'NUMSUB']);
    assert.ok((await client.call('COMMAND', 'HELP')).includes('INFO'));
  });

  it('list only options that the server reads', async () => {
    for (const { option } of documentedOptions('options of EmbeddedRedis.start()')) {
      await assert.rejects(EmbeddedRedis.start({ [option]: WRONG }), { name: 'TypeError' }, option);
    }
    for (const { option } of documentedOptions('chaos').filter(({ option }) => option !== 'chaos')) {
      const message = new RegExp(`^chaos\\.${option} must`);
      await assert.rejects(EmbeddedRedis.start({ chaos: { [option]: WRONG } }), { name: 'TypeError', message }, option);
    }
  });

  it('leave out only existing cases, each for a reason', () => {
    const folders = ['compat', 'api', path.join('api', 'option-cases')];
    const sources = folders.flatMap((folder) => {
      const files = fs.readdirSync(path.join(__dirname, '..', folder)).filter((name) => name.endsWith('.js'));
      return files.map((name) => fs.readFileSync(path.join(__dirname, '..', folder, name), 'utf8'));
    });
    // Titles of options are put together by a test of each.
    const written = ([beginning]) => beginning.replace(/^the option (\w+) (does|of a Cluster)$/, '$1');
    const missing = LEFT_OUT.filter((one) => !sources.some((source) => source.includes(written(one))));
    assert.deepStrictEqual(missing, []);
    assert.ok(LEFT_OUT.every(([, reason]) => reason in REASONS));
  });
});
