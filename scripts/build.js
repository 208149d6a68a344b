'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, bin, succeed } = require('./command.js');
const { SCOPE } = require('./generate-platforms.js');

const LOADER = 'native.js';
const ARGS = ['build', '--platform', '--js', LOADER, '--dts', 'native.d.ts'];
const DEBUG = '--debug';

/**
 * Builds the addon for this machine with napi's command line, which also writes the loader and its types.
 *
 * @param {string[]} args `--debug` for one that is built faster and runs slower, and more for the command line
 */
async function build(args) {
  const profile = args.includes(DEBUG) ? [] : ['--release'];
  const others = args.filter((one) => one !== DEBUG);
  const env = { ...process.env, ...(args.includes(DEBUG) ? {} : withLto()) };
  await succeed(process.execPath, [bin('@napi-rs/cli'), ...ARGS, ...profile, ...others], { env });
  for (const name of fs.readdirSync(ROOT).filter((file) => file.endsWith('.node'))) {
    fs.renameSync(path.join(ROOT, name), path.join(ROOT, withoutCompiler(name)));
  }
  nameOurs(path.join(ROOT, LOADER));
}

/** Variables of a build with `lto`. Windows runs no scripts in place of cargo. */
function withLto() {
  return process.platform === 'win32' ? {} : { CARGO: path.join(__dirname, 'cargo-cdylib.js') };
}

/**
 * Gives a loader the names of our packages. napi's command line can only add to a name, `packageName` of package.json: it
 * makes `@hfxbus/native-linux-x64-gnu` of it, and there is none that leads to `@hfxbus/linux-x64-gnu`.
 */
function nameOurs(file) {
  const { napi } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const theirs = `${napi.packageName}-`;
  const loader = fs.readFileSync(file, 'utf8');
  if (!loader.includes(theirs)) throw new Error(`${LOADER} asks for no package ${theirs}…`);
  fs.writeFileSync(file, withoutCompiler(loader.replaceAll(theirs, SCOPE)));
}

/** Names Windows without the compiler: a binary by either one fits every Node there, by whichever that was compiled. */
function withoutCompiler(text) {
  return text.replace(/\b(win32-(?:x64|arm64))-(?:msvc|gnu)\b/g, '$1');
}

build(process.argv.slice(2)).catch((error) => {
  console.error(`hfxbus: ${error.message}`);
  process.exit(1);
});
