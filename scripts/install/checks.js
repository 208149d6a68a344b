'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../command.js');
const { runExamples } = require('../example.js');
const { OLDEST_GLIBC, glibcOf } = require('../package/targets.js');
const { BUNDLES } = require('./bundlers.js');
const { RUNS } = require('./runners.js');

const EXAMPLES = ['consumer.ts', 'producer.ts'].map((name) => path.join(ROOT, 'examples', name));
const PROGRAMS = path.join(__dirname, 'programs');

const REQUIRE = `
  const { ConnectionManager, Producer } = require("hfxbus");
  console.log(new Producer(ConnectionManager.standalone({ lazyConnect: true })) instanceof Producer);
  process.exit();`;
const IMPORT = `
  import * as all from "hfxbus";
  import { Consumer } from "hfxbus";
  import { EmbeddedRedis } from "hfxbus/testing";
  console.log([all.Consumer === Consumer, typeof EmbeddedRedis].join());`;
const COMPILE = ['--outDir', 'compiled', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];

/**
 * Checks of a project with the installed package. `run` rejects on a failure. `if` returns true for the package managers of the
 * check.
 *
 * @type {{ name: string, if?: (manager: object) => boolean, run: (project: import('./project.js').Project) => Promise }[]}
 */
const CHECKS = [
  { name: 'require', run: (project) => prints(project, ['-e', REQUIRE], /^true$/m) },
  { name: 'import', run: (project) => prints(project, ['--input-type=module', '-e', IMPORT], /^true,function$/m) },
  {
    name: 'quick start, with tsx',
    run: (project) => quickStart(project, (name) => ['--require', 'tsx/cjs', `${name}.ts`]),
  },
  { name: 'quick start, compiled by tsc', run: compiled },
  { name: 'bundled by esbuild, the package external', run: (project) => bundled(project, ['hfxbus']) },
  {
    name: 'bundled by esbuild, the addon external',
    if: ({ reaches }) => reaches,
    run: (project) => bundled(project, ['*.node', '@hfxbus/*']),
  },
  { name: 'bundled by esbuild, the addon copied', run: (project) => bundled(project, []) },
  {
    name: 'worker_threads',
    run: (project) => program(project, 'worker-threads.js', [], /^4 threads have had their answers$/m),
  },
  { name: 'node --test', run: (project) => program(project, 'bus.test.js', ['--test'], /^\S pass 1$/m) },
  {
    name: `needs no glibc newer than ${OLDEST_GLIBC}`,
    if: ({ selfContained }) => selfContained && process.platform === 'linux',
    run: symbols,
  },
  ...BUNDLES,
  ...RUNS,
];

/** Runs the examples of the README in a project. */
async function quickStart(project, argsOf) {
  for (const file of EXAMPLES) copy(file, project);
  const { folder: cwd, env } = project;
  await runExamples(env, (name) => ({ args: argsOf(name), cwd, env }));
}

async function compiled(project) {
  for (const file of EXAMPLES) copy(file, project);
  const files = EXAMPLES.map((file) => path.basename(file));
  // The first argument stands where Node has the name of the program.
  await project.node(['-e', 'require("typescript/bin/tsc")', 'tsc', ...COMPILE, ...files]);
  await quickStart(project, (name) => [path.join('compiled', `${name}.js`)]);
}

async function bundled(project, external) {
  const outfile = 'bundle.cjs';
  copy(path.join(PROGRAMS, 'bundled.js'), project);
  const loader = { '.node': 'copy' };
  const shared = { bundle: true, platform: 'node', logLevel: 'error', loader };
  const options = { ...shared, entryPoints: ['bundled.js'], outfile, external };
  await project.node(['-e', `require("esbuild").buildSync(${JSON.stringify(options)})`]);
  const has = fs.readFileSync(path.join(project.folder, outfile), 'utf8').includes('NativeBus');
  if (has === external.includes('hfxbus')) throw new Error(`the package is ${has ? '' : 'not '}in the bundle`);
  // The package looks beside itself, which is now beside the bundle.
  if (project.manager.selfContained && external.length > 0) for (const addon of project.addons()) copy(addon, project);
  await prints(project, [outfile], /^bundled$/m);
}

async function program(project, name, args, expected) {
  copy(path.join(PROGRAMS, name), project);
  await prints(project, [...args, name], expected);
}

/** The addons for glibc: there is one at least, and each is read. */
async function symbols(project) {
  const files = project.addons().filter((file) => file.endsWith('-gnu.node'));
  if (files.length === 0) throw new Error('there is no addon for glibc');
  for (const file of files) glibcOf(file);
}

async function prints(project, args, expected) {
  const output = await project.node(args);
  if (!expected.test(output)) throw new Error(`it printed:\n${output}`);
}

function copy(file, { folder }) {
  fs.copyFileSync(file, path.join(folder, path.basename(file)));
}

module.exports = { CHECKS };
