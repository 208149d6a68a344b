'use strict';

const { createHash } = require('node:crypto');

const MAGIC = 0xfeedfacf;
const ARCHITECTURES = { 16777223: 'x64', 16777228: 'arm64' };
const COMMANDS = {
  symbols: 0x2,
  library: 0xc,
  weakLibrary: 0x80000018,
  signature: 0x1d,
  oldestSystem: 0x24,
  build: 0x32,
};
const HEADER = 32;
const SYMBOL = 16;
const IS_EXTERNAL = 0x01;
const KIND = 0x0e;
const UNDEFINED = 0;
/** Ordinals of libraries from here on are no libraries: the program itself, and any loaded file. */
const FIRST_SPECIAL = 0xfd;

const SUPER_BLOB = 0xfade0cc0;
const CODE_DIRECTORY = 0xfade0c02;
const IS_AD_HOC = 0x2;
const HASHES = { 1: 'sha1', 2: 'sha256' };

/**
 * Reads a library of macOS of 64 bits.
 *
 * @param {Buffer} file the content of the file
 * @returns {{ arch: string, oldest: string, libraries: string[], exported: string[], imported: { name: string, library?: string }[],
 *   signature: string }} `library` is undefined for a symbol that is searched for in the program that loads the file;
 *   `signature` is `none`, `ad hoc`, `other`, or the fault of it
 */
function readMachO(file) {
  if (file.length < HEADER || file.readUInt32LE(0) !== MAGIC) throw new Error('this is no Mach-O file of 64 bits');
  const commands = [...commandsOf(file)];
  const at = (...ids) => commands.filter(({ id }) => ids.includes(id)).map(({ offset }) => offset);
  const libraries = at(COMMANDS.library, COMMANDS.weakLibrary).map((offset) =>
    textAt(file, offset + file.readUInt32LE(offset + 8)),
  );
  const symbols = at(COMMANDS.symbols).flatMap((offset) => [...symbolsOf(file, offset)]);
  const external = symbols.filter(({ type }) => type & IS_EXTERNAL);
  const isUndefined = ({ type }) => (type & KIND) === UNDEFINED;
  const imported = external.filter(isUndefined).map(({ name, ordinal }) => ({
    name,
    library: ordinal === 0 || ordinal >= FIRST_SPECIAL ? undefined : libraries[ordinal - 1],
  }));
  const exported = external.filter((symbol) => !isUndefined(symbol)).map(({ name }) => name);
  const [signature] = at(COMMANDS.signature);
  return {
    arch: ARCHITECTURES[file.readUInt32LE(4)] ?? 'unknown',
    oldest: oldestOf(file, at(COMMANDS.build), at(COMMANDS.oldestSystem)),
    libraries,
    exported,
    imported,
    signature: signature === undefined ? 'none' : signatureOf(file, file.readUInt32LE(signature + 8)),
  };
}

function* commandsOf(file) {
  let offset = HEADER;
  for (let left = file.readUInt32LE(16); left > 0; left--) {
    yield { id: file.readUInt32LE(offset), offset };
    offset += file.readUInt32LE(offset + 4);
  }
}

function* symbolsOf(file, command) {
  const [first, count, names] = [8, 12, 16].map((field) => file.readUInt32LE(command + field));
  for (let at = first; at < first + count * SYMBOL; at += SYMBOL) {
    const ordinal = file.readUInt16LE(at + 6) >> 8;
    yield { name: textAt(file, names + file.readUInt32LE(at)), type: file[at + 4], ordinal };
  }
}

/** The oldest macOS that a file is for. */
function oldestOf(file, [build], [oldest]) {
  const version = build === undefined ? file.readUInt32LE(oldest + 8) : file.readUInt32LE(build + 12);
  return `${version >>> 16}.${(version >>> 8) & 0xff}`;
}

/** The kind of a signature, after a comparison of the hash of each page. Numbers in it are big-endian. */
function signatureOf(file, start) {
  if (file.readUInt32BE(start) !== SUPER_BLOB) return 'unreadable';
  const blobs = Array.from(
    { length: file.readUInt32BE(start + 8) },
    (_, index) => start + file.readUInt32BE(start + 16 + index * 8),
  );
  const directory = blobs.find((blob) => file.readUInt32BE(blob) === CODE_DIRECTORY);
  if (directory === undefined) return 'without a code directory';
  const word = (field) => file.readUInt32BE(directory + field);
  const [hashSize, hashType] = [file[directory + 36], file[directory + 37]];
  const pageSize = 2 ** file[directory + 39];
  const limit = word(32);
  for (let page = 0; page < word(28); page++) {
    const content = file.subarray(page * pageSize, Math.min((page + 1) * pageSize, limit));
    const hash = createHash(HASHES[hashType]).update(content).digest().subarray(0, hashSize);
    const signed = directory + word(16) + page * hashSize;
    if (!hash.equals(file.subarray(signed, signed + hashSize))) return `page ${page} is changed`;
  }
  return word(12) & IS_AD_HOC ? 'ad hoc' : 'other';
}

function textAt(file, start) {
  return file.toString('latin1', start, file.indexOf(0, start));
}

module.exports = { readMachO };
