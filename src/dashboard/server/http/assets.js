'use strict';

const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');

const FOLDER = path.resolve(__dirname, '..', '..', 'assets');
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};
/** The name of a file has a hash of its content, so its content never changes. */
const FOREVER = 'private, max-age=31536000, immutable';

/** Files of the page, which are read and compressed once. */
class Assets {
  #files = new Map();

  constructor() {
    for (const name of names()) this.#files.set(name, { content: null, packed: null });
  }

  /**
   * Returns the response with a file; `null` if there is none of this name.
   * @param {{ header: (name: string) => string | null }} request
   */
  respond(name, { header }) {
    const file = this.#files.get(name);
    if (file === undefined) return null;
    const isPacked = /\bgzip\b/.test(header('accept-encoding') ?? '');
    file.content ??= fs.readFileSync(path.join(FOLDER, name));
    if (isPacked) file.packed ??= zlib.gzipSync(file.content, { level: 9 });
    return {
      status: 200,
      headers: {
        'content-type': TYPES[path.extname(name)] ?? 'application/octet-stream',
        vary: 'accept-encoding',
        ...(isPacked && { 'content-encoding': 'gzip' }),
        ...(name !== 'index.html' && { 'cache-control': FOREVER }),
      },
      body: isPacked ? file.packed : file.content,
    };
  }
}

function names() {
  try {
    return fs.readdirSync(FOLDER);
  } catch {
    throw new Error(`the files of the dashboard are not in ${FOLDER}: leave hfxbus out of the bundle of your program`);
  }
}

module.exports = { Assets };
