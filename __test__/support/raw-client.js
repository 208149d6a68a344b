'use strict';

const net = require('node:net');
const { decode, encode } = require('./resp.js');

/** A connection to Redis that knows nothing but commands. It keeps the process alive only while it waits for a reply. */
class RawClient {
  #socket;
  #rest = Buffer.alloc(0);
  #waiting = [];
  #onPush;

  /** @param {(value: any) => void} [onPush] gets what comes unasked */
  constructor(port, onPush = () => {}) {
    this.#onPush = onPush;
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#closed());
    this.#socket.unref();
  }

  get isClosed() {
    return this.#socket.destroyed;
  }

  /** Returns the client's address as the server sees it. */
  get address() {
    return `127.0.0.1:${this.#socket.localPort}`;
  }

  /** Sends a command; bulk strings of the reply come as Buffers. */
  callBuffer(...words) {
    return new Promise((resolve, reject) => {
      if (this.isClosed) {
        reject(new Error('closed'));
        return;
      }
      this.#socket.ref();
      this.#waiting.push({ resolve, reject });
      this.#socket.write(encode(words));
    });
  }

  /** Sends a command; bulk strings of the reply come as text. */
  async call(...words) {
    return asText(await this.callBuffer(...words));
  }

  /** Sends commands, each an array of words, in one write. */
  callAll(commands) {
    this.#socket.cork();
    const replies = commands.map((words) => this.call(...words));
    this.#socket.uncork();
    return Promise.all(replies);
  }

  close() {
    this.#socket.destroy();
  }

  #read(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let reply = decode(this.#rest, at); reply; reply = decode(this.#rest, at)) {
      at = reply.end;
      this.#take(reply.value);
      if (at === this.#rest.length) break;
    }
    this.#rest = this.#rest.subarray(at);
  }

  #take(value) {
    const waiting = this.#waiting.shift();
    if (!waiting) {
      this.#onPush(asText(value));
      return;
    }
    if (this.#waiting.length === 0) this.#socket.unref();
    if (value instanceof Error) waiting.reject(value);
    else waiting.resolve(value);
  }

  #closed() {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('closed'));
  }
}

function asText(value) {
  if (Buffer.isBuffer(value)) return value.toString();
  return Array.isArray(value) ? value.map(asText) : value;
}

module.exports = { RawClient };
