'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');

const ROOT = path.resolve(__dirname, '..', '..');
const MIB = 1024 * 1024;

/* Limit of the memory for one method per command: defined one by one on two classes, they took 10 MiB. */
describe('loading', () => {
  it('takes little of JavaScript’s memory', () => {
    const program = `const before = process.memoryUsage().heapUsed;
      require(${JSON.stringify(ROOT)});
      console.log(process.memoryUsage().heapUsed - before);`;
    // Nothing is collected meanwhile, so that all of it counts.
    const args = ['--max-semi-space-size=64', '-e', program];
    const taken = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    assert.ok(taken > 0 && taken < 5 * MIB, `${taken} bytes`);
  });
});
