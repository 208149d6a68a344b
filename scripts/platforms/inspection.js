'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { OLDEST_MACOS } = require('../package/flags.js');
const { compareVersions } = require('../package/elf.js');
const { readMachO } = require('../package/macho.js');
const { readPe } = require('../package/pe.js');
const { OLDEST_GLIBC, glibcOf } = require('../package/targets.js');
const { nodeFunctions, systemFunctions } = require('./symbols.js');

const REGISTER = 'napi_register_module_v1';
const LIB_SYSTEM = '/usr/lib/libSystem.B.dylib';
/** Libraries that every Windows has which runs Node 18. */
const OF_WINDOWS =
  /^(kernel32|ntdll|ws2_32|userenv|bcrypt|bcryptprimitives|advapi32|ucrtbase|api-ms-win-(crt|core)-[\w-]+)\.dll$/;

/**
 * Reads the addon of a platform, and compares it with what that platform needs.
 *
 * @param {{ platform: string, arch: string, abi?: string }} target
 * @returns {Promise<{ facts: string, problems: string[] }>}
 */
async function inspect(target, file) {
  return INSPECTIONS[target.platform](target, file);
}

const INSPECTIONS = { linux: inspectElf, darwin: inspectMachO, win32: inspectPe };

async function inspectElf({ abi }, file) {
  if (abi !== 'gnu') return { facts: '', problems: [] };
  return { facts: `glibc ${glibcOf(file) ?? OLDEST_GLIBC}`, problems: [] };
}

async function inspectMachO({ arch }, file) {
  const found = readMachO(fs.readFileSync(file));
  const known = new Set([...(await nodeFunctions()), ...(await systemFunctions())]);
  const unknown = found.imported.filter(({ name }) => !known.has(name));
  const problems = [
    ...commonProblems(found, arch, `_${REGISTER}`),
    ...found.libraries.filter((library) => library !== LIB_SYSTEM).map((library) => `it loads ${library}`),
    ...unknown.map(({ name }) => `neither Node nor libSystem has ${name}`),
  ];
  if (compareVersions(found.oldest, OLDEST_MACOS[arch]) > 0) problems.push(`it needs macOS ${found.oldest}`);
  // macOS loads no code without a signature on arm64.
  const isSigned = found.signature === 'ad hoc' || (found.signature === 'none' && arch === 'x64');
  if (!isSigned) problems.push(`its signature is ${found.signature}`);
  const facts = `macOS ${found.oldest}, signature: ${found.signature}, ${found.imported.length} symbols, all known`;
  return { facts: unknown.length === 0 ? facts : `macOS ${found.oldest}`, problems };
}

async function inspectPe({ arch }, file) {
  const found = readPe(fs.readFileSync(file));
  const others = found.libraries.filter((library) => !OF_WINDOWS.test(library));
  const problems = [...commonProblems(found, arch, REGISTER), ...others.map((library) => `it loads ${library}`)];
  return { facts: `${found.libraries.length} libraries, all of Windows`, problems };
}

function commonProblems({ arch, exported }, wanted, register) {
  const problems = arch === wanted ? [] : [`it is for ${arch}`];
  if (!exported.includes(register)) problems.push(`it does not export ${register}`);
  return problems;
}

/** Returns the size of a file in MB, with two digits. */
function sizeOf(file) {
  return (fs.statSync(path.resolve(file)).size / 1e6).toFixed(2);
}

module.exports = { inspect, sizeOf };
