'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { test } = require('node:test');
const { readPe } = require('../../scripts/package/pe.js');

test('a library of Windows is read: architecture, libraries and functions', () => {
  assert.deepStrictEqual(readPe(pe()), {
    arch: 'x64',
    libraries: ['kernel32.dll', 'bcrypt.dll'],
    exported: ['napi_register_module_v1'],
  });
});

test('a file that is not of Windows is rejected', () => {
  assert.throws(() => readPe(fs.readFileSync(__filename)), /no file of Windows/);
  assert.throws(() => readPe(Buffer.alloc(0)), /no file of Windows/);
});

/** A library of Windows with one section, in which the tables of imports and exports are. */
function pe() {
  const [start, section, address] = [0x80, 0x400, 0x1000];
  const file = Buffer.alloc(0x600);
  file.write('MZ', 'latin1');
  file.writeUInt32LE(start, 0x3c);
  file.writeUInt32LE(0x4550, start);
  file.writeUInt16LE(0x8664, start + 4);
  file.writeUInt16LE(1, start + 6);
  file.writeUInt16LE(240, start + 20);
  const optional = start + 24;
  file.writeUInt16LE(0x20b, optional);
  file.writeUInt32LE(address, optional + 112);
  file.writeUInt32LE(address + 0x40, optional + 120);
  const header = optional + 240;
  for (const [offset, word] of [
    [12, address],
    [16, 0x200],
    [20, section],
  ]) {
    file.writeUInt32LE(word, header + offset);
  }
  const text = (offset, value) => {
    file.write(`${value}\0`, section + offset, 'latin1');
    return address + offset;
  };
  const word = (offset, value) => file.writeUInt32LE(value, section + offset);
  word(24, 1);
  word(32, address + 0x30);
  word(0x30, text(0x100, 'napi_register_module_v1'));
  word(0x40 + 12, text(0x140, 'KERNEL32.dll'));
  word(0x54 + 12, text(0x160, 'bcrypt.dll'));
  return file;
}
