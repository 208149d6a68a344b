'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, run } = require('./command.js');
const { CHECKS } = require('./install/checks.js');
const { JUDGES } = require('./install/judges.js');
const { HOSTS } = require('./install/hosts.js');
const { LOCK_FILES } = require('./install/lock-files.js');
const { MANAGERS } = require('./install/managers.js');
const { Project } = require('./install/project.js');
const { startRegistry } = require('./install/registry.js');
const { startRedis } = require('./install/server.js');
const { provideTools, tool } = require('./install/tools.js');
const { say } = require('./say.js');

const DIST = path.join(ROOT, 'dist');

/**
 * Installs what `npm run package` has packed with every package manager, each time into an empty folder, and uses it there;
 * resolves with the exit code. The last lines say what was tried, and how that went.
 *
 * @param {string[]} chosen parts of names of package managers and judges, such as `pnpm`; without any it is all of them
 */
async function testInstall(chosen) {
  const tarballs = packed();
  await provideTools();
  const results = [];
  /** Does it, and keeps how that went; resolves with whether it did well. */
  const attempt = async (name, action) => {
    const start = Date.now();
    const [problem, note] = await Promise.resolve()
      .then(action)
      .then(
        (reason) => [null, typeof reason === 'string' ? reason : 'fine'],
        (error) => [error, 'FAILED'],
      );
    const line = `${note}: ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`;
    say(problem ? `${line}: ${problem.message}` : line);
    results.push({ line, problem });
    return !problem;
  };
  const redis = await startRedis(tarballs.selfContained);
  say(`Node ${process.versions.node}; Redis: ${redis.name}`);
  const registry = await startRegistry(DIST);
  const source = { tarballs, registry: registry.url, standard: await standardRegistry() };
  const isChosen = ({ name }) => chosen.length === 0 || chosen.some((part) => name.includes(part));
  for (const manager of MANAGERS.filter(isChosen))
    await useWith(manager, new Project(manager, source, redis.port), attempt);
  for (const { name, judge } of JUDGES.filter(isChosen)) {
    for (const tarball of Object.values(tarballs)) {
      await attempt(`${name}: ${path.basename(tarball)}`, () => judge(tarball));
    }
  }
  for (const { name, run: act } of LOCK_FILES.filter(isChosen)) await attempt(name, () => act(source));
  for (const { name, run: act } of HOSTS.filter(isChosen)) await attempt(name, () => act(source, redis.port));
  registry.stop();
  await redis.stop();
  for (const { line } of results) say(line);
  return results.some(({ problem }) => problem) ? 1 : 0;
}

/** Installs with one package manager, and tries everything there. */
async function useWith(manager, project, attempt) {
  if (await attempt(`${manager.name}: install`, () => project.install())) {
    for (const check of CHECKS.filter((one) => !one.if || one.if(manager))) {
      await attempt(`${manager.name}: ${check.name}`, () => check.run(project));
    }
  }
  project.remove();
}

/** The tarballs that users install by name. */
function packed() {
  const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const main = path.join(DIST, `hfxbus-${version}.tgz`);
  const selfContained = path.join(DIST, `hfxbus-${version}-self-contained.tgz`);
  for (const file of [main, selfContained]) {
    if (!fs.existsSync(file)) throw new Error(`${path.relative(ROOT, file)} is missing: npm run package`);
  }
  return { main, selfContained };
}

/** Returns the registry of npm on this machine. The default registry of yarn can be unreachable. */
async function standardRegistry() {
  const args = [tool('npm', 'bin/npm-cli.js'), 'config', 'get', 'registry'];
  return (await run(process.execPath, args, { show: false })).output.trim();
}

testInstall(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
