'use strict';

const assert = require('node:assert');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { test } = require('node:test');
const { readMachO } = require('../../scripts/package/macho.js');

const PAGE = 4096;
const LIBRARY = '/usr/lib/libSystem.B.dylib';

test('a library of macOS is read: architecture, oldest system, libraries, symbols and signature', () => {
  assert.deepStrictEqual(readMachO(machO()), {
    arch: 'arm64',
    oldest: '11.0',
    libraries: [LIBRARY],
    exported: ['_napi_register_module_v1'],
    imported: [
      { name: '_malloc', library: LIBRARY },
      { name: '_napi_create_object', library: undefined },
    ],
    signature: 'ad hoc',
  });
});

test('a library of macOS that was changed after its signature is found', () => {
  const file = machO();
  file[PAGE - 1] ^= 1;
  assert.strictEqual(readMachO(file).signature, 'page 0 is changed');
});

test('a file that is not Mach-O is rejected', () => {
  assert.throws(() => readMachO(fs.readFileSync(process.execPath).subarray(0, 4096)), /no Mach-O file/);
  assert.throws(() => readMachO(Buffer.alloc(0)), /no Mach-O file/);
});

/** A library of macOS with the load commands that are read, on one page, and its signature on the next one. */
function machO() {
  const file = Buffer.alloc(PAGE);
  file.writeUInt32LE(0xfeedfacf, 0);
  file.writeUInt32LE(0x0100000c, 4);
  const names = '\0_napi_register_module_v1\0_malloc\0_napi_create_object\0';
  const [symbols, strings] = [1024, 2048];
  file.write(names, strings, 'latin1');
  const text = Buffer.alloc(32);
  text.write(LIBRARY, 'latin1');
  const commands = [
    command(0x32, [1, 11 << 16, 0, 0]),
    Buffer.concat([command(0xc, [24, 0, 0, 0], 32), text]),
    command(0x2, [symbols, 3, strings, names.length]),
    command(0x1d, [PAGE, 128]),
  ];
  file.writeUInt32LE(commands.length, 16);
  Buffer.concat(commands).copy(file, 32);
  Buffer.concat([
    symbol(names, '_napi_register_module_v1', 0x0f, 0),
    symbol(names, '_malloc', 0x01, 1),
    symbol(names, '_napi_create_object', 0x01, 0xfe),
  ]).copy(file, symbols);
  return Buffer.concat([file, signature(file)]);
}

/** A load command; `rest` is the size of data that follows it. */
function command(id, words, rest = 0) {
  const buffer = Buffer.alloc(8 + words.length * 4);
  for (const [index, word] of [id, buffer.length + rest, ...words].entries()) buffer.writeUInt32LE(word, index * 4);
  return buffer;
}

function symbol(names, name, type, ordinal) {
  const buffer = Buffer.alloc(16);
  buffer.writeUInt32LE(names.indexOf(`\0${name}\0`) + 1, 0);
  buffer[4] = type;
  buffer.writeUInt16LE(ordinal << 8, 6);
  return buffer;
}

/** An ad-hoc signature of one page, as a code directory in a list of one. */
function signature(page) {
  const directory = Buffer.alloc(44);
  const hash = createHash('sha256').update(page).digest();
  for (const [offset, word] of [0xfade0c02, 76, 0x20400, 2, 44, 40, 0, 1, page.length].entries()) {
    directory.writeUInt32BE(word, offset * 4);
  }
  directory.set([hash.length, 2, 0, Math.log2(PAGE)], 36);
  const list = Buffer.alloc(20);
  for (const [index, word] of [0xfade0cc0, 20 + 76, 1, 0, 20].entries()) list.writeUInt32BE(word, index * 4);
  return Buffer.concat([list, directory, hash]);
}
