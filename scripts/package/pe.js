'use strict';

const MAGIC = 0x4550;
const WIDE = 0x20b;
const ARCHITECTURES = { 34404: 'x64', 43620: 'arm64' };
/** Offsets of the tables' places, after the signature and the file header. */
const EXPORTS = 112;
const IMPORTS = 120;
const IMPORT = 20;

/**
 * Reads a library of Windows of 64 bits.
 *
 * @param {Buffer} file the content of the file
 * @returns {{ arch: string, libraries: string[], exported: string[] }} `libraries` are those that it loads, in lower case
 */
function readPe(file) {
  const start = file.length > 64 && file.readUInt16BE(0) === 0x4d5a ? file.readUInt32LE(0x3c) : file.length;
  if (start + 24 > file.length || file.readUInt32LE(start) !== MAGIC) throw new Error('this is no file of Windows');
  const optional = start + 24;
  if (file.readUInt16LE(optional) !== WIDE) throw new Error('this is no file of Windows of 64 bits');
  const sections = sectionsOf(file, start);
  const place = (address) => placeOf(sections, address);
  const table = (field) => file.readUInt32LE(optional + field);
  return {
    arch: ARCHITECTURES[file.readUInt16LE(start + 4)] ?? 'unknown',
    libraries: table(IMPORTS) === 0 ? [] : [...librariesOf(file, place(table(IMPORTS)), place)],
    exported: table(EXPORTS) === 0 ? [] : exportedBy(file, place(table(EXPORTS)), place),
  };
}

function sectionsOf(file, start) {
  const first = start + 24 + file.readUInt16LE(start + 20);
  return Array.from({ length: file.readUInt16LE(start + 6) }, (_, index) => first + index * 40).map((header) => ({
    address: file.readUInt32LE(header + 12),
    size: file.readUInt32LE(header + 16),
    offset: file.readUInt32LE(header + 20),
  }));
}

/** Returns the offset in the file of an address in memory. */
function placeOf(sections, wanted) {
  const found = sections.find(({ address, size }) => wanted >= address && wanted < address + size);
  if (!found) throw new Error(`no section has the address ${wanted}`);
  return wanted - found.address + found.offset;
}

function* librariesOf(file, first, place) {
  for (let entry = first; file.readUInt32LE(entry + 12) !== 0; entry += IMPORT) {
    yield textAt(file, place(file.readUInt32LE(entry + 12))).toLowerCase();
  }
}

function exportedBy(file, table, place) {
  const names = place(file.readUInt32LE(table + 32));
  return Array.from({ length: file.readUInt32LE(table + 24) }, (_, index) =>
    textAt(file, place(file.readUInt32LE(names + index * 4))),
  );
}

function textAt(file, start) {
  return file.toString('latin1', start, file.indexOf(0, start));
}

module.exports = { readPe };
