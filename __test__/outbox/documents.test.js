'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const ROOT = path.resolve(__dirname, '..', '..');
const RELAYS = {
  hfxbus: 'examples/outbox/relay.ts',
  BullMQ: '__test__/outbox/beside/bullmq.ts',
  'NATS JetStream': '__test__/outbox/beside/jetstream.ts',
};

function read(file) {
  return fs.readFileSync(path.join(ROOT, file), 'utf8');
}

/** Returns the number of lines of a file, without blank ones and comments. */
function linesOf(file) {
  return read(file)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length;
}

test('docs/outbox.md has the lines of each relay and of the table', () => {
  const text = read('docs/outbox.md');
  for (const [name, file] of Object.entries(RELAYS)) {
    const [, count] = new RegExp(`^\\| ${name}[^|]* \\| (\\d+) \\|`, 'm').exec(text) ?? [];
    assert.strictEqual(Number(count), linesOf(file), name);
  }
  const [, count] = /table of (\d+) lines/.exec(text) ?? [];
  assert.strictEqual(Number(count), linesOf('examples/outbox/outbox.sql'));
});

test('the relays for others have the loop of the example word for word', () => {
  const loopOf = (file) => {
    const [loop] = /^\/\/ Rows of a key[\s\S]*^clearInterval/m.exec(read(file));
    return loop.replace(
      /error instanceof (?:TypeError \|\| error instanceof RangeError|InvalidArgumentError)/,
      'isInvalid',
    );
  };
  for (const file of Object.values(RELAYS)) assert.strictEqual(loopOf(file), loopOf(RELAYS.hfxbus), file);
});
