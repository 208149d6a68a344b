'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { it } = require('node:test');
const { Child } = require('../support/child.js');

const TOLD = path.resolve(__dirname, '..', '..', 'src', 'cli', 'told.js');

for (const second of ['SIGINT', 'SIGTERM']) {
  it(`a command that ends by SIGINT exits normally if ${second} repeats the signal`, async (t) => {
    const child = new Child(
      { file: TOLD },
      ({ hfxbus: { told }, data, print }) => {
        // As long as it has to end well.
        const ending = setTimeout(() => print('ended well'), 100);
        told().then(() => print('told', ending.hasRef()));
        process.kill(process.pid, 'SIGINT');
        setTimeout(() => process.kill(process.pid, data), 5);
      },
      { data: second },
    );
    t.after(() => child.kill());
    await child.says('told');
    await child.says('ended well');
    assert.strictEqual((await child.exit()).code, 0);
  });
}
