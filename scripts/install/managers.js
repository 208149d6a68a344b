'use strict';

const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { CACHE, TOOLS, tool } = require('./tools.js');

const NPM = tool('npm', 'bin/npm-cli.js');
const PNPM = tool('pnpm', 'bin/pnpm.cjs');
const YARN = tool('@yarnpkg/cli-dist', 'bin/yarn.js');
/** Setting that runs no scripts at an installation: the packages of hfxbus have none. */
const NO_SCRIPTS = 'ignore-scripts=true\n';

/**
 * Ways to install. `settings` are files that a folder gets before, by name; `nodeOptions` is what NODE_OPTIONS
 * has to be in one; `reaches` says whether a program may load what it has not asked for by name; `adds` says that bundlers
 * and runners are added to the project, and tried there.
 */
const MANAGERS = [
  {
    name: `npm ${TOOLS.npm}`,
    args: [NPM, 'install', '--no-audit', '--no-fund'],
    settings: ({ registry }) => ({ '.npmrc': `${NO_SCRIPTS}@hfxbus:registry=${registry}\n` }),
    reaches: true,
    adds: true,
  },
  {
    name: `npm ${TOOLS.npm}, self-contained`,
    args: [NPM, 'install', '--no-audit', '--no-fund'],
    selfContained: true,
    settings: () => ({ '.npmrc': NO_SCRIPTS }),
    reaches: true,
  },
  {
    name: `pnpm ${TOOLS.pnpm}, strict`,
    args: [PNPM, 'install'],
    settings: ({ registry }) => ({
      '.npmrc': [
        `${NO_SCRIPTS}@hfxbus:registry=${registry}`,
        'node-linker=isolated\nhoist=false\nstrict-peer-dependencies=true',
        `store-dir=${path.join(CACHE, 'pnpm-store')}\ncache-dir=${path.join(CACHE, 'pnpm-cache')}\n`,
      ].join('\n'),
    }),
  },
  { name: `yarn ${TOOLS['@yarnpkg/cli-dist']}, node_modules`, ...yarn('node-modules'), reaches: true },
  { name: `yarn ${TOOLS['@yarnpkg/cli-dist']}, PnP`, ...yarn('pnp'), nodeOptions: pnp },
];

function yarn(linker) {
  const settings = ({ registry, standard }) => ({
    'yarn.lock': '',
    '.yarnrc.yml': [
      `nodeLinker: ${linker}`,
      'pnpEnableEsmLoader: true',
      'enableScripts: false',
      'enableTelemetry: false',
      'enableGlobalCache: false',
      'globalFolder: ./.yarn/global',
      `npmRegistryServer: ${JSON.stringify(standard)}`,
      'unsafeHttpWhitelist: ["127.0.0.1"]',
      `npmScopes: { hfxbus: { npmRegistryServer: "${registry}" } }\n`,
    ].join('\n'),
  });
  return { args: [YARN, 'install', '--no-immutable'], settings };
}

/** NODE_OPTIONS of `yarn node`. */
function pnp(folder) {
  const loader = pathToFileURL(path.join(folder, '.pnp.loader.mjs')).href;
  return `--require ${path.join(folder, '.pnp.cjs')} --experimental-loader ${loader}`;
}

module.exports = { MANAGERS };
