'use strict';

const net = require('node:net');
const { decode, encode } = require('./resp.js');

const ERROR = (text) => Buffer.from(`-${text}\r\n`);
const OK = Buffer.from('+OK\r\n');
const NIL = Buffer.from('$-1\r\n');

/** A server that answers as the test says, for what a real one cannot be brought to do at will. */
class FakeRedis {
  #server;
  #sockets = new Set();
  /** Received commands, as arrays of arguments; the command's name in upper case. */
  commands = [];
  /** Time of each connection, in ms. */
  connected = [];

  /**
   * @param {(words: string[], socket: net.Socket) => Buffer | undefined} answer `undefined` is no reply at all
   * @param {(socket: net.Socket) => void} [connected] called with each new connection
   */
  static async start(answer, connected = () => {}) {
    const fake = new FakeRedis();
    // As Redis has it: small replies in a row do not wait for one another.
    fake.#server = net.createServer({ noDelay: true }, (socket) => fake.#accept(socket, answer, connected));
    fake.#server.unref();
    await new Promise((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get options() {
    return { host: '127.0.0.1', port: this.#server.address().port };
  }

  close() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket, answer, connected) {
    this.connected.push(performance.now());
    this.#sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length > 0) {
        const command = decode(rest);
        if (!command) return;
        rest = rest.subarray(command.end);
        const words = command.value.map(String);
        words[0] = words[0].toUpperCase();
        this.commands.push(words);
        const reply = answer(words, socket);
        if (reply) socket.write(reply);
      }
    });
    connected(socket);
  }
}

/** A bulk string. */
function bulk(text) {
  return encode([text]).subarray(4);
}

/** A whole number, a bulk string, or an array of these and of arrays. */
function reply(value) {
  if (Array.isArray(value)) return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(reply)]);
  return typeof value === 'number' ? Buffer.from(`:${value}\r\n`) : bulk(value);
}

module.exports = { FakeRedis, bulk, reply, ERROR, OK, NIL };
