'use strict';

const fs = require('node:fs');

/**
 * Where a server is, and how to get in: what `--url` says, and the files that TLS wants. Nothing that it throws repeats the
 * URL, which may hold a password.
 */
class Place {
  #url;
  #tls;

  /**
   * @param {string} text a URL, or the path of a unix socket
   * @param {object} [tls] options of TLS, for a `rediss://` URL
   */
  constructor(text, tls) {
    this.#url = text.startsWith('/') ? `unix://${text}` : text;
    if (tls && !this.#url.startsWith('rediss://')) throw new Error('options of TLS need a rediss:// URL');
    this.#tls = tls;
  }

  /** Without the password. */
  get name() {
    const { protocol, hostname, port, pathname } = new URL(this.#url);
    return protocol === 'unix:' ? pathname : `${hostname || 'localhost'}:${port || 6379}`;
  }

  /** Of a connection to this server. */
  get options() {
    return { url: this.#url, tls: this.#tls };
  }

  /** Of a connection to another node of the same Cluster. */
  optionsAt(host, port) {
    // An empty name is the host that was asked, as URLs have it, with brackets around what has colons.
    const asked = new URL(this.#url).hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost';
    return { host: host || asked, port, ...this.credentials };
  }

  /** Who asks, and how it is kept secret. */
  get credentials() {
    const { protocol, username, password, searchParams } = new URL(this.#url);
    const [user, pass] = protocol === 'unix:' ? ['user', 'pass'].map((name) => searchParams.get(name)) : [];
    return {
      username: (user ?? decodeURIComponent(username)) || undefined,
      password: (pass ?? decodeURIComponent(password)) || undefined,
      tls: protocol === 'rediss:' ? (this.#tls ?? true) : undefined,
    };
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
  return url.map((text) => new Place(text, tls));
}

module.exports = { placesOf };
