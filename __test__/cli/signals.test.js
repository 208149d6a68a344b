'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { it } = require('node:test');
const { Child } = require('../support/child.js');

const SHUTDOWN_SIGNAL = path.resolve(__dirname, '..', '..', 'src', 'cli', 'shutdown-signal.js');

for (const second of ['SIGINT', 'SIGTERM']) {
  it(`a command ends well at SIGINT if ${second} repeats the signal`, async (t) => {
    const child = new Child(
      { file: SHUTDOWN_SIGNAL },
      ({ hfxbus: { shutdownSignal }, data, print }) => {
        // Keeps the process alive until it can end well.
        const ending = setTimeout(() => print('ended well'), 100);
        shutdownSignal().then(() => print('received', ending.hasRef()));
        process.kill(process.pid, 'SIGINT');
        setTimeout(() => process.kill(process.pid, data), 5);
      },
      { data: second },
    );
    t.after(() => child.kill());
    await child.says('received');
    await child.says('ended well');
    assert.strictEqual((await child.exit()).code, 0);
  });
}
