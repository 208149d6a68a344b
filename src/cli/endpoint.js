'use strict';

const fs = require('node:fs');
const { optionsOf } = require('../facade/options/redis-url.js');

/** Options that differ between the nodes of a Cluster. */
const OF_ONE = { host: undefined, port: undefined, path: undefined, db: undefined };

/**
 * Address and credentials of a server, from `--url` and the options of TLS. Errors do not repeat the URL, which can hold a
 * password.
 */
class Endpoint {
  #options;
  /** Prefix of the keys of the bus. */
  keyPrefix;

  /**
   * @param {string} text a URL, or the path of a unix socket
   * @param {object} [tls] options of TLS, for a `rediss://` URL only
   */
  constructor(text, tls) {
    const parsed = optionsOf('--url', text);
    if (tls && !parsed.tls) throw new Error('--cacert, --cert, --key and --sni need a rediss:// URL');
    const { keyPrefix = 'hfxbus', ...options } = parsed;
    this.keyPrefix = keyPrefix;
    // Family 0 finds names that have an IPv6 address only.
    this.#options = { host: 'localhost', port: 6379, family: 0, ...options, ...(tls && { tls }) };
  }

  /** Returns the address, without the password. */
  get name() {
    const { path, host, port } = this.#options;
    return path ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Returns the options of a connection to this server. */
  get options() {
    return { ...this.#options };
  }

  /** Returns the options of a connection to another node of the same Cluster. */
  optionsAt(host, port) {
    // An empty name means the host that was asked.
    return { ...this.credentials, host: host || this.#options.host, port };
  }

  /** Returns the options without the address: user, password, TLS. */
  get credentials() {
    return { ...this.#options, ...OF_ONE };
  }
}

/** Returns the options of TLS, or `undefined` if none was given. */
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
    throw new Error(`--${option}: cannot read ${file}: ${code}`);
  }
}

/** @returns {Endpoint[]} the servers of the command line, in their order */
function endpointsOf({ url, ...values }) {
  const tls = tlsOf(values);
  const endpoints = url.map((text) => new Endpoint(text, tls));
  const hasOnePrefix = endpoints.every(({ keyPrefix }) => keyPrefix === endpoints[0].keyPrefix);
  if (!hasOnePrefix && values.prefix === undefined)
    throw new Error('the URLs have different keyPrefixes: choose one with --prefix');
  return endpoints;
}

module.exports = { endpointsOf };
