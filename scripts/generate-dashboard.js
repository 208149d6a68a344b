'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');
const { ROOT } = require('./command.js');
const { say } = require('./say.js');

const FOLDER = path.join('src', 'dashboard', 'assets');
const SOURCES = path.join(ROOT, 'src', 'dashboard', 'page');
/** Packages whose code is in the bundle, and which their licences must go with. */
const BUNDLED = ['preact', 'htm', 'uplot'];
/** Maximum size of all files as they are sent, in bytes. */
const LIMIT = 60 * 1024;

/** Bundles the page of the dashboard into `src/dashboard/assets`, with hashes in the names of its files. */
function generateDashboard() {
  const files = new Map();
  const add = (name, extension, content) => {
    const hash = crypto.createHash('sha256').update(content).digest('hex').slice(0, 8);
    const file = `${name}.${hash}${extension}`;
    files.set(file, content);
    return file;
  };
  const names = {
    SCRIPT: add('page', '.js', bundle('main.js')),
    STYLE: add('page', '.css', bundle('main.css')),
    ICON: add('icon', '.svg', fs.readFileSync(path.join(SOURCES, 'icon.svg'))),
  };
  const index = fs.readFileSync(path.join(SOURCES, 'index.html'), 'utf8');
  files.set('index.html', Buffer.from(index.replace(/%(\w+)%/g, (_, name) => names[name])));
  const size = [...files.values()].reduce((sum, content) => sum + zlib.gzipSync(content, { level: 9 }).length, 0);
  if (size > LIMIT) throw new Error(`the dashboard takes ${size} bytes, more than ${LIMIT}`);
  files.set('LICENSES.txt', Buffer.from(BUNDLED.map(licence).join('\n')));
  write(files);
  return size;
}

function bundle(entry) {
  // A clean checkout has it only after npm ci, which `npm test` runs itself.
  const { outputFiles } = require('esbuild').buildSync({
    entryPoints: [path.join(SOURCES, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['es2022', 'chrome107', 'firefox104', 'safari16'],
    legalComments: 'none',
    charset: 'utf8',
    nodePaths: [path.join(ROOT, 'node_modules')],
  });
  return Buffer.from(outputFiles[0].contents);
}

function licence(name) {
  const folder = path.join(ROOT, 'node_modules', name);
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return `${name} ${version}\n\n${fs.readFileSync(path.join(folder, 'LICENSE'), 'utf8').trim()}\n`;
}

/** Writes the files, without those of an earlier build. */
function write(files) {
  const folder = path.join(ROOT, FOLDER);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) fs.writeFileSync(path.join(folder, name), content);
}

module.exports = { FOLDER, generateDashboard };

if (require.main === module) say(`${FOLDER}: ${(generateDashboard() / 1024).toFixed(1)} KB, compressed`);
