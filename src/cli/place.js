'use strict';

const fs = require('node:fs');
const { optionsOf } = require('../facade/options/redis-url.js');

/** Options that name one server, and not the others of a Cluster. */
const OF_ONE = { host: undefined, port: undefined, path: undefined, db: undefined };

/**
 * Where a server is, and how to get in: what `--url` says, and the files that TLS wants. Nothing that it throws repeats the
 * URL, which may hold a password.
 */
class Place {
  #options;
  /** The prefix of the keys of the bus there. */
  keyPrefix;

  /**
   * @param {string} text a URL, or the path of a unix socket
   * @param {object} [tls] options of TLS, for a `rediss://` URL
   */
  constructor(text, tls) {
    const said = optionsOf('--url', text);
    if (tls && !said.tls) throw new Error('options of TLS need a rediss:// URL');
    const { keyPrefix = 'hfxbus', ...options } = said;
    this.keyPrefix = keyPrefix;
    // Without a family a name that has no IPv4 address would not be found.
    this.#options = { host: 'localhost', port: 6379, family: 0, ...options, ...(tls && { tls }) };
  }

  /** Without the password. */
  get name() {
    const { path, host, port } = this.#options;
    return path ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Of a connection to this server. */
  get options() {
    return { ...this.#options };
  }

  /** Of a connection to another node of the same Cluster. */
  optionsAt(host, port) {
    // An empty name is the host that was asked.
    return { ...this.credentials, host: host || this.#options.host, port };
  }

  /** Who asks, and how it is kept secret. */
  get credentials() {
    return { ...this.#options, ...OF_ONE };
  }
}

/** What --cacert and so on say of TLS; nothing where they say nothing. */
function tlsOf({ cacert, cert, key, sni }) {
  const files = Object.entries({ cacert, cert, key }).filter(([, file]) => file !== undefined);
  if (files.length === 0 && sni === undefined) return undefined;
  const contents = Object.fromEntries(files.map(([option, file]) => [option, contentOf(option, file)]));
  return { ca: contents.cacert, cert: contents.cert, key: contents.key, servername: sni };
}

function contentOf(option, file) {
  try {
    return fs.readFileSync(file);
  } catch ({ code }) {
    throw new Error(`--${option}: ${file} cannot be read: ${code}`);
  }
}

/** @returns {Place[]} the servers that the options of a command line name, in their order */
function placesOf({ url, ...values }) {
  const tls = tlsOf(values);
  const places = url.map((text) => new Place(text, tls));
  const isOne = places.every(({ keyPrefix }) => keyPrefix === places[0].keyPrefix);
  if (!isOne && values.prefix === undefined) throw new Error('each --url has another keyPrefix: --prefix says which');
  return places;
}

module.exports = { placesOf };
