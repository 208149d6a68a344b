'use strict';

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a colour begins with
const COLOURS = /\x1b\[[0-9;]*m/g;

/** How many tests ran, from what the runners print last. */
const RUNNERS = {
  /** `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once per test binary. */
  cargo: (output) =>
    [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)]
      .map(([, ...counts]) => counts.map(Number))
      .map(([passed, failed, skipped]) => ({ passed, failed, skipped }))
      .reduce(add, NONE),
  /** `ℹ pass 3`, or `# pass 3`, and so on. */
  node: (output) => {
    const read = (what) => Number(output.match(new RegExp(`^\\S ${what} (\\d+)$`, 'm'))?.[1] ?? 0);
    return {
      passed: read('pass'),
      failed: read('fail') + read('cancelled'),
      skipped: read('skipped') + read('todo'),
    };
  },
};

const NONE = { passed: 0, failed: 0, skipped: 0 };

function count(runner, output) {
  return RUNNERS[runner](output.replace(COLOURS, ''));
}

function add(one, other) {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

function format({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

module.exports = { NONE, count, add, format };
