'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { formatTable } = require('../../scripts/platforms/table.js');

test('the table of platforms has a line for each, with its trials and its tests, and the date', () => {
  const rows = [
    {
      name: 'linux-x64-musl',
      size: '4.20',
      facts: '',
      where: 'musl 1.2',
      problems: [],
      trials: { 'quick start': 'fine' },
      tests: { passed: 12, failed: 0, skipped: 0, leftOut: 2 },
    },
    { name: 'darwin-x64', size: '4.10', facts: 'macOS 10.15', left: 'not run: no emulator', problems: [], trials: {} },
    { name: 'win32-arm64', left: 'not packed', problems: [] },
  ];
  const lines = formatTable(rows, new Date('2026-11-29T10:00:00Z')).split('\n');
  assert.deepStrictEqual(lines.slice(2), [
    '| linux-x64-musl | 4.20 MB |  | musl 1.2 | quick start: fine | 12 passed, 0 failed, 2 files left out |',
    '| darwin-x64 | 4.10 MB | macOS 10.15 | not run: no emulator |  |  |',
    '| win32-arm64 |  |  | not packed |  |  |',
    '',
    '2026-11-29',
  ]);
  const columns = lines[0].split('|').length;
  for (const line of lines.slice(0, 5)) assert.strictEqual(line.split('|').length, columns, line);
});
