'use strict';

const net = require('node:net');
const tls = require('node:tls');
const { decode } = require('./resp.js');

/** A sentinel that says whatever a case wants it to. */
class FakeSentinel {
  /** Addresses that it reports, each as `{ host, port }`. */
  primary = null;
  replicas = [];
  sentinels = [];
  /** True to leave all queries unanswered. */
  isSilent = false;
  /** The commands that it got, as arrays of words. */
  heard = [];
  /** Its certificate and key, if it speaks TLS. */
  identity = null;
  #server;
  #sockets = new Set();
  #listeners = new Set();

  /** @param {(sentinel: FakeSentinel) => void} [set] makes it what it is */
  static async start(set = () => {}) {
    const sentinel = new FakeSentinel();
    set(sentinel);
    await sentinel.#listen();
    return sentinel;
  }

  get address() {
    return { host: '127.0.0.1', port: this.#server.address().port };
  }

  /** Returns the number of open connections. */
  get connections() {
    return this.#sockets.size;
  }

  /** Returns true if a client is subscribed to announcements. */
  get isWatched() {
    return this.#listeners.size > 0;
  }

  /** Returns the number of queries of a kind. */
  asked(subject = 'get-master-addr-by-name') {
    return this.heard.filter((words) => words[1] === subject).length;
  }

  /** Changes the primary, and announces that. */
  announce(name, primary) {
    const was = this.primary;
    this.primary = primary;
    const message = `${name} ${was.host} ${was.port} ${primary.host} ${primary.port}`;
    for (const socket of this.#listeners) socket.write(reply(['message', '+switch-master', message]));
  }

  kill() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen() {
    const serve = (socket) => this.#serve(socket);
    this.#server = this.identity ? tls.createServer(pemOf(this.identity), serve) : net.createServer(serve);
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#server.unref();
  }

  #serve(socket) {
    let rest = Buffer.alloc(0);
    this.#sockets.add(socket);
    socket.unref();
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#listeners.delete(socket);
    });
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let command = decode(rest); command && rest.length > 0; command = rest.length > 0 && decode(rest)) {
        rest = rest.subarray(command.end);
        const words = command.value.map(String);
        this.heard.push(words);
        if (!this.isSilent) socket.write(reply(this.#answer(words, socket)));
      }
    });
  }

  #answer([name, subject], socket) {
    const described = (flags) => (address) => ['ip', address.host, 'port', String(address.port), 'flags', flags];
    if (name === 'SUBSCRIBE') {
      this.#listeners.add(socket);
      return ['subscribe', subject, 1];
    }
    if (name !== 'SENTINEL') return ['pong', ''];
    if (subject === 'sentinels') return this.sentinels.map(described('sentinel'));
    if (subject === 'replicas') return this.replicas.map(described('slave'));
    return this.primary && [this.primary.host, String(this.primary.port)];
  }
}

function pemOf({ cert, key }) {
  return { cert, key };
}

function reply(value) {
  if (value === null) return '*-1\r\n';
  if (typeof value === 'number') return `:${value}\r\n`;
  if (typeof value === 'string') return `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
  return `*${value.length}\r\n${value.map(reply).join('')}`;
}

module.exports = { FakeSentinel };
