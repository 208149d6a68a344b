'use strict';

const MAGIC = 0x7f454c46;
const WIDE = 2;
const LITTLE_ENDIAN = 1;
/** `SHT_GNU_verneed`: the versions of symbols that others have to provide. */
const VERSIONS_NEEDED = 0x6ffffffe;

/**
 * The symbol versions that an ELF file needs of the libraries it loads, as `.gnu.version_r` lists them. Read here rather
 * than by readelf, which a machine that builds need not have.
 *
 * @param {Buffer} elf the content of the file
 * @returns {{ library: string, version: string }[]} such as `libc.so.6` and `GLIBC_2.17`
 */
function versionsNeeded(elf) {
  const isOurs = elf.length > 64 && elf.readUInt32BE(0) === MAGIC && elf[4] === WIDE && elf[5] === LITTLE_ENDIAN;
  if (!isOurs) throw new Error('this is no ELF file of 64 bits, little-endian');
  const sections = sectionsOf(elf);
  const needed = sections.find(({ type }) => type === VERSIONS_NEEDED);
  if (!needed) return [];
  const names = sections[needed.link].offset;
  return [...chain(elf, needed.offset, 12)].flatMap((library) =>
    [...chain(elf, library + elf.readUInt32LE(library + 8), 12)].map((version) => ({
      library: text(elf, names + elf.readUInt32LE(library + 4)),
      version: text(elf, names + elf.readUInt32LE(version + 8)),
    })),
  );
}

/** The newest glibc that any of these versions is of, such as `2.17`; null if none is of glibc. */
function newestGlibc(versions) {
  const numbers = versions.map(({ version }) => /^GLIBC_(\d+(?:\.\d+)+)$/.exec(version)?.[1]).filter(Boolean);
  return numbers.sort(compareVersions).at(-1) ?? null;
}

/** Negative, zero or positive, as 2.9 is older than 2.17. */
function compareVersions(one, other) {
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  const at = left.findIndex((number, index) => number !== (right[index] ?? 0));
  return at === -1 ? left.length - right.length : left[at] - (right[at] ?? 0);
}

function sectionsOf(elf) {
  const start = Number(elf.readBigUInt64LE(0x28));
  const size = elf.readUInt16LE(0x3a);
  return Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => start + index * size).map((header) => ({
    type: elf.readUInt32LE(header + 4),
    offset: Number(elf.readBigUInt64LE(header + 0x18)),
    link: elf.readUInt32LE(header + 0x28),
  }));
}

/** Returns the offsets of a list's elements. The field `next` of each has the distance to the next one, or 0. */
function* chain(elf, first, next) {
  for (let entry = first; ; entry += elf.readUInt32LE(entry + next)) {
    yield entry;
    if (elf.readUInt32LE(entry + next) === 0) return;
  }
}

function text(elf, start) {
  return elf.toString('latin1', start, elf.indexOf(0, start));
}

module.exports = { versionsNeeded, newestGlibc, compareVersions };
