'use strict';

/* The recipes of docs/recipes.md for esbuild make bundles that run; those for other bundlers are in `npm run test:install`. */

const assert = require('node:assert');
const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const esbuild = require('esbuild');
const { layOut, programsIn, recipes } = require('../../scripts/install/recipes.js');
const { RedisServer } = require('../support/redis-server.js');
const { ROOT } = require('./documents.js');
const { install } = require('./installed.js');

const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
const FORMATS = [
  { title: 'CommonJS', options: { format: 'cjs' }, extension: 'js' },
  { title: 'an ES module', options: { format: 'esm', banner: { js: REQUIRE } }, extension: 'mjs' },
];

let project;

/** The folder in which the package is installed, made when it is first needed. */
function provideProject() {
  if (project) return project;
  project = install();
  separate(path.join(project, 'node_modules'));
  return project;
}

/** Moves the binary to where it is once the package is published: into the package of its platform. */
function separate(modules) {
  const installed = path.join(modules, 'hfxbus');
  for (const name of fs.readdirSync(installed).filter((file) => file.endsWith('.node'))) {
    const [, platform] = name.split('.');
    const target = path.join(modules, '@hfxbus', platform);
    fs.cpSync(path.join(ROOT, 'npm', platform), target, { recursive: true });
    fs.renameSync(path.join(installed, name), path.join(target, name));
  }
}

describe('a program that is bundled as docs/recipes.md says', () => {
  const ours = recipes().filter(({ name }) => name.startsWith('esbuild'));
  let folder;
  let redis;

  before(async () => {
    folder = provideProject();
    redis = await RedisServer.start();
  });

  after(() => redis?.kill());

  it('has recipes for either way', () => {
    assert.ok(ours.some(({ isOutside }) => isOutside));
    assert.ok(ours.filter(({ isOutside }) => !isOutside).length >= 3);
  });

  for (const recipe of ours) {
    it(`runs: ${recipe.name}`, () => {
      layOut(recipe, folder);
      const programs = path.join(ROOT, 'node_modules', '.bin');
      const env = { ...process.env, PATH: `${programs}${path.delimiter}${process.env.PATH}` };
      execFileSync('sh', ['-ec', recipe.commands], { cwd: folder, env, stdio: 'pipe' });
      const place = recipe.isOutside ? path.join(folder, 'dist') : moved(folder);
      const variables = { ...process.env, REDIS_URL: `redis://127.0.0.1:${redis.port}` };
      try {
        for (const name of programsIn(place)) {
          const options = { cwd: place, env: variables, encoding: 'utf8' };
          assert.strictEqual(execFileSync(process.execPath, [name], options), 'bundled\nbundled\n', name);
        }
      } finally {
        fs.rmSync(place, { recursive: true });
      }
    });
  }
});

describe('a bundle that does not reach the binary', () => {
  let folder;

  before(() => {
    folder = provideProject();
  });

  for (const { title, options, extension } of FORMATS) {
    it(`fails with NO_BINARY and what helps: ${title}`, () => {
      const message = failure(bundle(extension, { ...options, external: ['*.node', '@hfxbus/*'] }));
      assert.match(message, /^Tried from a bundle:$/m);
      assert.match(message, new RegExp(`^ {2}- Cannot find module '@hfxbus/${process.platform}-`, 'm'));
      assert.match(message, /^The bundle does not reach the binary\. Copy node_modules/m);
      // The frames of the program itself, which no filter for files of the package may take away.
      assert.match(message, new RegExp(`^ {4}at .*program\\.${extension}:\\d+:\\d+`, 'm'));
    });

    it(`names what a loader gave in place of the addon: ${title}`, () => {
      const message = failure(bundle(extension, { ...options, loader: { '.node': 'file' } }));
      assert.match(message, /^ {2}- .*string.*hfxbus\..*\.node/m);
    });
  }

  /** @returns {string} the file of a bundle, alone in a folder where nothing is installed */
  function bundle(extension, options) {
    const outfile = path.join(folder, 'dist', `program.${extension}`);
    const entry = path.join(folder, `entry.${extension}`);
    fs.rmSync(path.join(folder, 'dist'), { recursive: true, force: true });
    fs.writeFileSync(entry, extension === 'mjs' ? "import 'hfxbus';\n" : "require('hfxbus');\n");
    esbuild.buildSync({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      logLevel: 'error',
      outfile,
      absWorkingDir: folder,
      ...options,
    });
    return path.join(moved(folder), path.basename(outfile));
  }

  /** Returns the output of a program that fails to load the package. */
  function failure(file) {
    const { status, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
    fs.rmSync(path.dirname(file), { recursive: true });
    assert.strictEqual(status, 1);
    assert.match(stderr, /code: 'NO_BINARY'/);
    assert.match(stderr, /hfxbus has no binary that runs here: /);
    return stderr;
  }
});

/** Moves what was made to where nothing is installed; returns the folder. */
function moved(folder) {
  const place = path.join(path.dirname(folder), `${path.basename(folder)}-dist`);
  fs.rmSync(place, { recursive: true, force: true });
  fs.renameSync(path.join(folder, 'dist'), place);
  process.once('exit', () => fs.rmSync(place, { recursive: true, force: true }));
  return place;
}
