'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT, succeed } = require('../command.js');

/** Run-time dependencies of the package, which do not depend on the platform. */
const DEPENDENCIES = ['debug', 'eventemitter3', 'ms'];
const PROGRAMS = path.join(__dirname, 'programs');

/**
 * A folder with the packed package and the package of one platform, as npm would install them there.
 *
 * @param {{ main: string, platform: string }} tarballs
 * @returns {Promise<{ folder: string, addon: string, remove: () => void }>}
 */
async function install({ main, platform }, name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `hfxbus-${name}-`));
  const remove = () => fs.rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const modules = path.join(folder, 'node_modules');
  const places = [
    [main, path.join(modules, 'hfxbus')],
    [platform, path.join(modules, '@hfxbus', name)],
  ];
  for (const [tarball, place] of places) {
    fs.mkdirSync(place, { recursive: true });
    await succeed('tar', ['-xzf', tarball, '--strip-components', '1', '-C', place], { show: false });
  }
  for (const one of DEPENDENCIES) {
    fs.cpSync(path.join(ROOT, 'node_modules', one), path.join(modules, one), { recursive: true });
  }
  fs.copyFileSync(path.join(PROGRAMS, 'round-trips.js'), path.join(folder, 'round-trips.js'));
  return { folder, addon: path.join(modules, '@hfxbus', name, `hfxbus.${name}.node`), remove };
}

module.exports = { install };
