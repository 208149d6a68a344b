'use strict';

const net = require('node:net');
const { decode, encode } = require('../../support/resp.js');

/** Maximum time for the reply of a server, in ms. */
const PATIENCE = 10_000;

/** One connection, and everything that came on it, in order. */
class Peer {
  #socket;
  #rest = Buffer.alloc(0);
  #woken = () => {};
  /** @type {any[]} */
  log = [];
  /** Number of log entries without a command of their own. */
  #pushes = 0;
  isBlocked = false;
  isQueueing = false;

  static async connect(port) {
    const peer = new Peer(port);
    peer.id = (await peer.ask('CLIENT', 'ID')).value;
    return peer;
  }

  constructor(port) {
    this.#socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => this.log.push(new Error(`connection: ${error.message}`)));
    this.#socket.on('close', () => {
      this.log.push(new Error('connection closed'));
      this.#woken();
    });
  }

  get replies() {
    return this.log.length - this.#pushes;
  }

  send(words) {
    this.#socket.write(encode(words));
  }

  /** Sends a command that has exactly one reply; it is not in the log. */
  async ask(...words) {
    const before = this.replies;
    this.send(words);
    await this.settled(() => this.replies > before);
    return { value: this.log.pop() };
  }

  /** Waits until that holds, looking whenever something came. */
  async settled(condition) {
    const deadline = Date.now() + PATIENCE;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error('nothing comes any more');
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#woken = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close() {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #read(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < this.#rest.length) {
      const reply = decode(this.#rest, at);
      if (!reply) break;
      at = reply.end;
      this.log.push(reply.value);
      if (isPush(reply.value)) this.#pushes++;
    }
    this.#rest = this.#rest.subarray(at);
    this.#woken();
  }
}

/** Returns true for a message to a subscriber; every other value is a reply. */
function isPush(value) {
  return Array.isArray(value) && Buffer.isBuffer(value[0]) && /^p?message$/.test(value[0].toString());
}

module.exports = { Peer };
