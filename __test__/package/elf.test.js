'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { test } = require('node:test');
const { compareVersions, newestGlibc, versionsNeeded } = require('../../scripts/package/elf.js');

const LIBRARIES = {
  'libc.so.6': ['GLIBC_2.2.5', 'GLIBC_2.17', 'GLIBC_2.9'],
  'libgcc_s.so.1': ['GCC_3.0'],
};

test('all symbol versions that a file needs are read, with the libraries that provide them', () => {
  assert.deepStrictEqual(versionsNeeded(elfThatNeeds(LIBRARIES)), [
    { library: 'libc.so.6', version: 'GLIBC_2.2.5' },
    { library: 'libc.so.6', version: 'GLIBC_2.17' },
    { library: 'libc.so.6', version: 'GLIBC_2.9' },
    { library: 'libgcc_s.so.1', version: 'GCC_3.0' },
  ]);
});

test('the newest glibc is found by its numbers, and versions of other libraries are ignored', () => {
  assert.strictEqual(newestGlibc(versionsNeeded(elfThatNeeds(LIBRARIES))), '2.17');
  assert.strictEqual(newestGlibc(versionsNeeded(elfThatNeeds({ 'libgcc_s.so.1': ['GCC_3.0'] }))), null);
  assert.ok(compareVersions('2.34', '2.17') > 0);
  assert.ok(compareVersions('2.2.5', '2.17') < 0);
  assert.ok(compareVersions('2.3.4', '2.3') > 0);
  assert.strictEqual(compareVersions('2.17', '2.17'), 0);
});

test('the Node that runs this needs no newer glibc than the one it runs with', () => {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const newest = newestGlibc(versionsNeeded(fs.readFileSync(process.execPath)));
  assert.match(newest, /^2\.\d+/);
  assert.ok(compareVersions(newest, glibcVersionRuntime) <= 0, `${newest}, ${glibcVersionRuntime}`);
});

test('a file that is not ELF is rejected', () => {
  assert.throws(() => versionsNeeded(fs.readFileSync(__filename)), /no ELF file/);
  assert.throws(() => versionsNeeded(Buffer.alloc(0)), /no ELF file/);
});

/** An ELF file with nothing in it but a table of names and the list of versions that it needs. */
function elfThatNeeds(libraries) {
  let names = '\0';
  const nameOf = (name) => {
    const at = names.length;
    names += `${name}\0`;
    return at;
  };
  const needed = Object.entries(libraries).flatMap(([library, versions], index, { length }) => [
    words((versions.length << 16) | 1, nameOf(library), 16, index === length - 1 ? 0 : 16 * (versions.length + 1)),
    ...versions.map((version, at) => words(0, 0, nameOf(version), at === versions.length - 1 ? 0 : 16)),
  ]);
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  header.writeBigUInt64LE(64n, 0x28);
  header.writeUInt16LE(64, 0x3a);
  header.writeUInt16LE(3, 0x3c);
  const start = 64 + 3 * 64;
  const sections = [section(0, 0, 0), section(3, start, 0), section(0x6ffffffe, start + names.length, 1)];
  return Buffer.concat([header, ...sections, Buffer.from(names, 'latin1'), ...needed]);
}

/** One entry of the list: `vn_cnt` is the upper half of the first word; in an entry of a version both are left out. */
function words(...values) {
  const entry = Buffer.alloc(16);
  for (const [index, value] of values.entries()) entry.writeUInt32LE(value, index * 4);
  return entry;
}

function section(type, offset, link) {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(type, 4);
  header.writeBigUInt64LE(BigInt(offset), 0x18);
  header.writeUInt32LE(link, 0x28);
  return header;
}
