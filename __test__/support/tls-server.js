'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { RedisServer, freePort } = require('./redis-server.js');

let files = 0;

/** A Redis that speaks TLS on a port of its own, and plain text to the test. */
class TlsServer extends RedisServer {
  #identity;
  #clients;
  #folder;

  /**
   * @param {{ cert: string, key: string }} identity
   * @param {{ cert: string } | null} [clients] the authority that clients need a certificate of
   * @param {string[]} args further arguments of the server
   */
  static async start(identity, clients, ...args) {
    const server = new TlsServer(await freePort(), args);
    server.tlsPort = await freePort();
    server.#identity = identity;
    server.#clients = clients;
    await server.start();
    return server;
  }

  /** Options of a bus for this server, without the authority. */
  get options() {
    return { host: '127.0.0.1', port: this.tlsPort };
  }

  /** REDIS_TLS_SERVER, for when the server was built without. */
  get program() {
    return process.env.REDIS_TLS_SERVER ?? super.program;
  }

  arguments(folder) {
    this.#folder = folder;
    const { cert, key } = this.#write(this.#identity);
    const checked = this.#clients ? ['--tls-auth-clients', 'yes'] : ['--tls-auth-clients', 'no'];
    const { cert: ca } = this.#write(this.#clients ?? this.#identity);
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca];
    return [...super.arguments(folder), '--tls-port', String(this.tlsPort), ...files, ...checked];
  }

  /** Has it show another certificate from now on. */
  async rotate(identity) {
    const { cert, key } = this.#write(identity);
    this.#identity = identity;
    await this.call('CONFIG', 'SET', 'tls-cert-file', cert, 'tls-key-file', key).catch(() => this.restart());
    await this.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await this.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  }

  #write({ cert, key }) {
    const name = path.join(this.#folder, `identity-${files++}`);
    fs.writeFileSync(`${name}.crt`, cert);
    fs.writeFileSync(`${name}.key`, key);
    return { cert: `${name}.crt`, key: `${name}.key` };
  }
}

module.exports = { TlsServer };
