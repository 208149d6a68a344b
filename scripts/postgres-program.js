'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { exists } = require('./program.js');

/** Folder of the versions that Debian has, whose servers are not on PATH. */
const DEBIAN = '/usr/lib/postgresql';

const HELP = `There is no PostgreSQL. Any of these helps:
  - put postgres and initdb on PATH, or their folder into POSTGRES_BIN
  - run this as root or with passwordless sudo where there is apt-get: then it is installed`;

/** Returns the folder of the server's programs: POSTGRES_BIN, PATH, or the newest of Debian; `undefined` without any. */
function findPostgres() {
  const chosen = process.env.POSTGRES_BIN;
  if (chosen && !isServer(chosen)) throw new Error(`POSTGRES_BIN is ${chosen}, which has no initdb and postgres`);
  return chosen || [...(process.env.PATH ?? '').split(path.delimiter), ...debianFolders()].find(isServer);
}

function isServer(folder) {
  const files = ['initdb', 'postgres'].map((name) => path.join(folder, name));
  return files.every((file) => fs.existsSync(file) && exists(file));
}

function debianFolders() {
  if (!fs.existsSync(DEBIAN)) return [];
  const versions = fs.readdirSync(DEBIAN).sort((left, right) => Number(right) - Number(left));
  return versions.map((version) => path.join(DEBIAN, version, 'bin'));
}

module.exports = { HELP, findPostgres };
