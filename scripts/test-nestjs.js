'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { provideAddon } = require('./addon.js');
const { ROOT, runNpm } = require('./command.js');
const counts = require('./counts.js');
const { linkSelf } = require('./packages.js');
const { provideProgram } = require('./redis-installation.js');
const { say } = require('./say.js');
const { runNode } = require('./suites.js');

/** Major versions of Nest, and the packages of an application. */
const VERSIONS = ['10', '11', '12'];
const CACHE = path.join(ROOT, '.cache', 'nestjs');

/** Runs the tests of the transport on each version of Nest, in a project of its own with the packed package. */
async function testNestjs(selected) {
  const unknown = selected.find((version) => !VERSIONS.includes(version));
  if (unknown !== undefined) throw new Error(`there is no Nest ${unknown} here: ${VERSIONS.join(', ')}`);
  await provideProgram();
  linkSelf();
  await provideAddon();
  const tarball = await pack();
  const outcomes = [];
  for (const version of VERSIONS.filter((one) => selected.length === 0 || selected.includes(one))) {
    const project = await install(version, tarball);
    say(`Nest ${version}`);
    const { code, counted } = await runNode(['nestjs', 'nestjs/versions'], { HFXBUS_NEST_PROJECT: project });
    outcomes.push({ version, code, counted });
  }
  for (const { version, counted } of outcomes) say(`Nest ${version}: ${counts.format(counted)}`);
  return outcomes.some(({ code, counted }) => code !== 0 || counted.passed === 0) ? 1 : 0;
}

/** Resolves with the path of the packed package. */
async function pack() {
  fs.rmSync(CACHE, { recursive: true, force: true });
  fs.mkdirSync(CACHE, { recursive: true });
  await runNpm(['pack', '--ignore-scripts', '--silent', '--pack-destination', CACHE]);
  const [name] = fs.readdirSync(CACHE);
  return path.join(CACHE, name);
}

/** Installs a version of Nest and the packed package. @returns the folder of the project */
async function install(version, tarball) {
  const folder = path.join(CACHE, version);
  fs.mkdirSync(folder);
  const packages = ['common', 'core', 'microservices'].map((name) => [`@nestjs/${name}`, version]);
  const dependencies = {
    ...Object.fromEntries(packages),
    '@nestjs/terminus': version,
    rxjs: '7',
    hfxbus: `file:${tarball}`,
  };
  const manifest = { name: 'application', private: true, dependencies: { ...dependencies, 'reflect-metadata': '0.2' } };
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  await runNpm(['install', '--ignore-scripts', '--silent', '--no-package-lock'], { cwd: folder });
  return folder;
}

testNestjs(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
