'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run } = require('../command.js');
const { layOut, programsIn, recipes } = require('./recipes.js');

/** Dependencies of the recipes besides esbuild, which every project has. */
const BUNDLERS = {
  '@vercel/ncc': '0.45.0',
  rollup: '4.68.8',
  '@rollup/plugin-commonjs': '29.0.3',
  '@rollup/plugin-json': '6.1.0',
  '@rollup/plugin-node-resolve': '16.0.3',
  webpack: '5.113.0',
  'webpack-cli': '6.0.1',
  'node-loader': '2.1.0',
};

/** The checks of bundles, one for each recipe, for one package manager that can add packages to a project. */
const BUNDLES = [
  { name: 'bundlers', if: ({ adds }) => adds, run: installBundlers },
  ...recipes().map((recipe) => ({
    name: `bundled by ${recipe.name}`,
    if: ({ adds }) => adds,
    run: (project) => bundle(project, recipe),
  })),
];

function installBundlers(project) {
  const packages = Object.entries(BUNDLERS).map(([name, version]) => `${name}@${version}`);
  return project.node([...project.manager.args, '--no-save', ...packages]);
}

/** Makes a bundle, and runs what it consists of; where the package is inside, in a folder with nothing installed. */
async function bundle(project, recipe) {
  layOut(recipe, project.folder);
  const PATH = [path.join(project.folder, 'node_modules', '.bin'), project.env.PATH].join(path.delimiter);
  const options = { cwd: project.folder, env: { ...project.env, PATH }, show: false };
  const { code, output } = await run('sh', ['-ec', recipe.commands], options);
  if (code !== 0) throw new Error(`the commands ended with code ${code}:\n${output.trim()}`);
  const dist = path.join(project.folder, 'dist');
  const place = recipe.isOutside ? dist : fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-bundle-'));
  try {
    if (place !== dist) fs.cpSync(dist, place, { recursive: true });
    for (const name of programsIn(place)) {
      const printed = await project.node([path.join(place, name)]);
      if (printed !== 'bundled\nbundled\n') throw new Error(`${name} printed:\n${printed}`);
    }
  } finally {
    fs.rmSync(place, { recursive: true, force: true });
  }
}

module.exports = { BUNDLES };
