'use strict';

const path = require('node:path');

/** The folder of this file. Some ES module bundles define none; others give the folder of the bundle. */
const HERE = typeof __dirname === 'string' ? __dirname : '';
/** The folder of this package; null in a bundle. */
const ROOT = HERE.endsWith(path.join('src', 'facade', 'bridge')) ? path.resolve(HERE, '..', '..', '..') : null;
/** How many calls a stack holds: each file that is loaded by another takes eight. */
const DEPTH = 100;
const BUILD = 'npm ci && npm run build && npm pack';
/** What helps in a bundle. */
const BUNDLED = [
  'The bundle does not reach the binary. Copy node_modules/@hfxbus/*/*.node beside the bundle, or leave hfxbus out of it and',
  'install hfxbus where the bundle runs. An ES module must define `require`, by createRequire(import.meta.url).',
  'docs/recipes.md of hfxbus has the settings of each bundler, under "Bundlers".',
];

/** What is thrown where no binary of this package can be loaded. */
function noBinary(failure) {
  const message = [
    `hfxbus has no binary that runs here: ${host()}.`,
    `Tried from ${ROOT ?? 'a bundle'}:`,
    ...reasons(failure).map((reason) => `  - ${reason}`),
    ...(ROOT === null ? BUNDLED : []),
    'If this platform is among those of the README, install again without a lock file and node_modules of another one.',
    `Otherwise build it, in a clone of its repository, with Rust and a C compiler, and install what comes of it:`,
    `  ${BUILD}`,
  ].join('\n');
  const error = deepError(message);
  error.code = 'NO_BINARY';
  error.stack = [`Error: ${message}`, ...callers(error)].join('\n');
  return error;
}

/** What decides which binary fits. */
function host() {
  const { platform, arch, versions } = process;
  return [`${platform} ${arch}`, ...libc(platform), `Node ${versions.node}`].join(', ');
}

/** The C library, where there is more than one. Whoever looks at networks for the report may take seconds. */
function libc(platform) {
  if (platform !== 'linux' || !process.report) return [];
  const { excludeNetwork } = process.report;
  process.report.excludeNetwork = true;
  const { glibcVersionRuntime } = process.report.getReport().header;
  process.report.excludeNetwork = excludeNetwork;
  return [glibcVersionRuntime ? `glibc ${glibcVersionRuntime}` : 'musl'];
}

/** Why each file and package that was tried is of no use, in order: each failure has the one before as its cause. */
function reasons(failure) {
  const found = [];
  for (let error = failure.cause; error instanceof Error; error = error.cause) {
    found.unshift(summary(error));
  }
  return found.length > 0 ? found : [summary(failure)];
}

/** The message of a failure in one line, without the files that required one another. */
function summary({ message }) {
  const [said] = message.split('\nRequire stack:', 1);
  return said.replace(/\s*\n\s*/g, ' ').trim();
}

/** An error whose stack reaches beyond the loader. */
function deepError(message) {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = DEPTH;
  const error = new Error(message);
  Error.stackTraceLimit = stackTraceLimit;
  return error;
}

/** The lines of the stack that are about who loads the package; how it is loaded helps nobody. */
function callers({ stack, message }) {
  const lines = stack.slice(stack.indexOf(message) + message.length).split('\n');
  const isOurs = (line) => ROOT !== null && line.includes(ROOT);
  return lines.filter((line) => line.includes('at ') && !isOurs(line) && !line.includes('node:internal'));
}

/** The addon. Whoever needs it gets it from here, so that its absence is told in one way. */
function load() {
  try {
    const addon = require('../../../native.js');
    // Some loaders of bundlers give the address of the file in place of what is in it.
    if (typeof addon.NativeFacade !== 'function')
      throw new TypeError(`a ${typeof addon} was loaded in place of the addon: ${addon}`);
    return addon;
  } catch (failure) {
    throw noBinary(failure);
  }
}

module.exports = load();
