'use strict';

const path = require('node:path');

/** The folder of this file. Some ES module bundles define none; others give the folder of the bundle. */
const HERE = typeof __dirname === 'string' ? __dirname : '';
/** The folder of this package; null in a bundle. */
const ROOT = HERE.endsWith(path.join('src', 'facade', 'bridge')) ? path.resolve(HERE, '..', '..', '..') : null;
/** Stack trace limit. Each nested load of a file takes eight calls. */
const DEPTH = 100;
const BUILD = 'npm ci && npm run build && npm pack';
/** Advice for a bundle. */
const BUNDLED = [
  'The bundle does not reach the binary. Copy node_modules/@hfxbus/*/*.node beside the bundle, or leave hfxbus out of it and',
  'install hfxbus where the bundle runs. An ES module must define `require`, by createRequire(import.meta.url).',
  'docs/recipes.md of hfxbus has the settings of each bundler, under "Bundlers".',
];

/** Creates the error if no binary of this package can be loaded. */
function noBinary(failure) {
  const message = [
    `hfxbus has no binary that runs here: ${host()}.`,
    `Tried from ${ROOT ?? 'a bundle'}:`,
    ...reasons(failure).map((reason) => `  - ${reason}`),
    ...(ROOT === null ? BUNDLED : leftOut()),
    'If the README lists this platform, install again, without a lock file and node_modules of another platform.',
    'Otherwise build the package in a clone of its repository, with Rust and a C compiler, and install it:',
    `  ${BUILD}`,
  ].join('\n');
  const error = deepError(message);
  error.code = 'NO_BINARY';
  error.stack = [`Error: ${message}`, ...callers(error)].join('\n');
  return error;
}

/**
 * Returns the command that adds the package of this platform, if this package asks for it. npm 10 leaves it out if the lock file
 * was written from the node_modules of another platform.
 */
function leftOut() {
  const { optionalDependencies = {} } = require('../../../package.json');
  const { platform, arch } = process;
  const [kind] = libc(platform).map((one) => (one === 'musl' ? '-musl' : '-gnu'));
  const name = `@hfxbus/${platform}-${arch}${kind ?? ''}`;
  const version = optionalDependencies[name];
  if (!version) return [];
  return [
    `The package of this platform can be missing, since npm 10 can write a lock file without it. This command adds it:`,
    `  npm install --no-save ${name}@${version}`,
    'It comes back for good without node_modules and package-lock.json: remove both, and install again.',
  ];
}

/** Returns the properties of the host that decide on the binary. */
function host() {
  const { platform, arch, versions } = process;
  return [`${platform} ${arch}`, ...libc(platform), `Node ${versions.node}`].join(', ');
}

/** Returns the C library on Linux. The report excludes networks, since their lookup can take seconds. */
function libc(platform) {
  if (platform !== 'linux' || !process.report) return [];
  const { excludeNetwork } = process.report;
  process.report.excludeNetwork = true;
  const { glibcVersionRuntime } = process.report.getReport().header;
  process.report.excludeNetwork = excludeNetwork;
  return [glibcVersionRuntime ? `glibc ${glibcVersionRuntime}` : 'musl'];
}

/** Returns the reason for each file and package that was tried, in order. Each failure has the previous one as its cause. */
function reasons(failure) {
  const found = [];
  for (let error = failure.cause; error instanceof Error; error = error.cause) {
    found.unshift(summary(error));
  }
  return found.length > 0 ? found : [summary(failure)];
}

/** Returns the message of a failure in one line, without its require stack. */
function summary({ message }) {
  const [text] = message.split('\nRequire stack:', 1);
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

/** Creates an error with a stack that reaches beyond the loader. */
function deepError(message) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = DEPTH;
  const error = new Error(message);
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

/** Returns the lines of the stack outside this package and Node, which show the caller. */
function callers({ stack, message }) {
  const lines = stack.slice(stack.indexOf(message) + message.length).split('\n');
  const isOurs = (line) => ROOT !== null && line.includes(ROOT);
  return lines.filter((line) => line.includes('at ') && !isOurs(line) && !line.includes('node:internal'));
}

/** Loads the addon. All files load it from here, so that a failure has one message. */
function load() {
  try {
    const addon = require('../../../native.js');
    // Some loaders of bundlers return the address of the file instead of its exports.
    if (typeof addon.NativeFacade !== 'function')
      throw new TypeError(`a ${typeof addon} was loaded in place of the addon: ${addon}`);
    return addon;
  } catch (failure) {
    throw noBinary(failure);
  }
}

module.exports = load();
