'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('./command.js');
const { targets } = require('./package/targets.js');

/*
 * `napi create-npm-dirs`, `napi artifacts` and `napi pre-publish` are not used: they name each package `packageName` plus `-` plus
 * the platform, and no `packageName` gives `@hfxbus/linux-x64-gnu`. The README of each package and the check of its glibc are
 * also beyond them. See also scripts/build.js.
 */

/** Generated folder, with manifest and README of each platform's package. It is committed, and must not be edited. */
const FOLDER = 'npm';
/** Prefix of the packages' names, followed by the platform. */
const SCOPE = '@hfxbus/';

/** Description of each platform, and of the tests of its package. */
const PLATFORMS = {
  'linux-x64-gnu': { system: 'Linux x64, glibc 2.17 or later', tried: 'Tested.' },
  'linux-x64-musl': { system: 'Linux x64, musl', tried: 'Tested.' },
  'linux-arm64-gnu': { system: 'Linux arm64, glibc 2.17 or later', tried: 'Tested in an emulator.' },
  'linux-arm64-musl': { system: 'Linux arm64, musl', tried: 'Tested in an emulator.' },
  'darwin-x64': { system: 'macOS x64, 10.15 or later', tried: 'Its file is checked, and was never loaded.' },
  'darwin-arm64': { system: 'macOS arm64, 11 or later', tried: 'Its file is checked, and was never loaded.' },
  'win32-x64': { system: 'Windows x64', tried: 'Tested in Wine.' },
  'win32-arm64': { system: 'Windows arm64', tried: 'Its file is checked, and was never loaded.' },
};

/** Notices of the crates in an addon, which each package with one has. */
const NOTICES = 'THIRD-PARTY-NOTICES.md';

/** Fields that every package copies from the main one, if present. */
const SHARED = ['keywords', 'author', 'homepage', 'bugs', 'repository', 'license', 'engines', 'publishConfig'];
/** Names of the C libraries in npm. */
const LIBRARIES = { gnu: 'glibc', musl: 'musl' };

/** Writes the packages for platforms, for the targets and with the version of package.json. */
function generatePlatforms() {
  const main = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  fs.rmSync(path.join(ROOT, FOLDER), { recursive: true, force: true });
  for (const target of targets()) {
    const folder = path.join(ROOT, FOLDER, target.name);
    const manifest = describe(target, main);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    fs.writeFileSync(path.join(folder, 'README.md'), readme(manifest));
  }
}

/** The manifest of one of them. */
function describe({ name, platform, arch, abi }, main) {
  const addon = `${main.napi.binaryName}.${name}.node`;
  const { system, tried } = PLATFORMS[name];
  const shared = SHARED.filter((field) => field in main).map((field) => [field, main[field]]);
  return {
    name: SCOPE + name,
    version: main.version,
    description: `The engine of hfxbus for ${system}. ${tried}`,
    ...Object.fromEntries(shared),
    main: addon,
    files: [addon, NOTICES],
    os: [platform],
    cpu: [arch],
    ...(platform === 'linux' && { libc: [LIBRARIES[abi]] }),
  };
}

function readme({ name, description }) {
  return `# ${name}

${description}

\`hfxbus\` asks for this package, and loads it where it fits: nobody has to install it by name.
`;
}

module.exports = { FOLDER, SCOPE, generatePlatforms };

if (require.main === module) generatePlatforms();
