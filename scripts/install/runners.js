'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../command.js');

const PROGRAMS = path.join(__dirname, 'programs');
/** Programs that run programs: test runners and process managers. */
const RUNNERS = { jest: '30.5.2', pm2: '7.0.4' };
const JEST = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js', '--rootDir', '.'];
const JEST_SETTINGS = {
  testMatch: ['**/jested.test.*'],
  moduleFileExtensions: ['js', 'mjs', 'json', 'node'],
  transform: {},
};
const MODES = ['fork', 'cluster'];
/** The settings of docs/recipes.md for pm2. */
const SETTINGS = /^<!-- pm2 -->\n```js\n(?<text>[\s\S]*?)^```$/m;

/** The checks of runners, for one package manager that can add packages to a project. */
const RUNS = [
  { name: 'test runners and process managers', run: install },
  ...['js', 'mjs'].map((extension) => ({
    name: `jest, ${extension === 'js' ? 'CommonJS' : 'ES modules'}`,
    run: (project) => jest(project, extension),
  })),
  ...MODES.map((mode) => ({ name: `pm2 in ${mode} mode`, run: (project) => pm2(project, mode) })),
].map((check) => ({ ...check, if: ({ adds }) => adds }));

function install(project) {
  const packages = Object.entries(RUNNERS).map(([name, version]) => `${name}@${version}`);
  return project.node([...project.manager.args, '--no-save', ...packages]);
}

async function jest(project, extension) {
  fs.copyFileSync(path.join(PROGRAMS, `jested.${extension}`), path.join(project.folder, `jested.test.${extension}`));
  const output = await project.node([...JEST, '--config', JSON.stringify(JEST_SETTINGS), `jested.test.${extension}$`]);
  if (!/^Tests: +1 passed, 1 total$/m.test(output)) throw new Error(`it printed:\n${output}`);
  if (/did not exit/.test(output)) throw new Error(`jest does not end:\n${output}`);
}

async function pm2(project, mode) {
  for (const name of ['managed.js', 'manager.js']) {
    fs.copyFileSync(path.join(PROGRAMS, name), path.join(project.folder, name));
  }
  const { text } = SETTINGS.exec(fs.readFileSync(path.join(ROOT, 'docs', 'recipes.md'), 'utf8')).groups;
  const settings = text.replace('consumer.js', 'managed.js').replace("'cluster'", `'${mode}'`);
  fs.writeFileSync(path.join(project.folder, `${mode}.config.js`), settings);
  const output = await project.node(['manager.js', mode]);
  if (!/^many jobs are done$/m.test(output)) throw new Error(`it printed:\n${output}`);
}

module.exports = { RUNS };
