'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, runNpm } = require('./command.js');
const { say } = require('./say.js');
const { FOLDER } = require('./generate-platforms.js');

/** Folder with what was packed. */
const DIST = path.resolve(ROOT, process.env.HFXBUS_DIST || 'dist');

/**
 * Publishes what is in dist/: the packages for platforms, then the main one, which asks for them. With `--dry-run` npm
 * only says what it would do.
 *
 * @param {string[]} args for npm, beside those that a release always has
 */
async function release(args) {
  const main = manifestOf('.');
  const platforms = fs.readdirSync(path.join(ROOT, FOLDER));
  const packages = [...platforms.map((name) => manifestOf(path.join(FOLDER, name))), main];
  const problems = problemsOf(main, packages);
  for (const problem of problems) say(problem);
  if (problems.length > 0) throw new Error('nothing was published');
  const tag = main.version.includes('-') ? 'next' : 'latest';
  for (const one of packages) {
    await runNpm(['publish', tarballOf(one), '--provenance', '--access', 'public', '--tag', tag, ...args]);
  }
}

/** Returns problems of the release: missing packages, and a missing proof of origin for npm. */
function problemsOf(main, packages) {
  const { GITHUB_REF_TYPE: type, GITHUB_REF_NAME: name } = process.env;
  const missing = packages.map(tarballOf).filter((file) => !fs.existsSync(file));
  const problems = missing.map((file) => `${path.relative(ROOT, file)} is missing`);
  if (!main.repository) problems.push('package.json names no repository, which npm needs to prove where it was built');
  if (type === 'tag' && name !== `v${main.version}`) {
    problems.push(`the tag is ${name}, and the version is ${main.version}`);
  }
  return problems;
}

/** Returns the name that npm gives to the tarball of a package. */
function tarballOf({ name, version }) {
  return path.join(DIST, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
}

function manifestOf(folder) {
  return JSON.parse(fs.readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8'));
}

release(process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
