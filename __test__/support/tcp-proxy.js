'use strict';

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');
const { Gate } = require('./latch.js');

/**
 * Stands between a client and a server and does what networks do. Every setting holds for all connections, those
 * there are and those to come, until it is set again; it does not keep the process alive.
 */
class TcpProxy {
  #listener;
  #server;
  #connections = new Set();
  #isRefusing = false;
  /** Number of connections so far. */
  accepted = 0;
  /** State that the directions of all connections share. */
  #settings = {
    delay: null,
    gate: null,
    rate: 0,
    piece: 0,
    cutAt: 0,
    isHole: false,
    record: null,
    holeAt: null,
    muteAt: null,
    strandAt: null,
  };

  /** @param {number} server the port of the server on this machine */
  static async to(server) {
    const proxy = new TcpProxy(server);
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  constructor(server) {
    this.#server = server;
    this.#listener = net.createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.#listener.unref();
  }

  get port() {
    return this.#listener.address().port;
  }

  /** Options of a bus for this server. */
  get options() {
    return { host: '127.0.0.1', port: this.port };
  }

  /** Returns the number of open connections. */
  get open() {
    return this.#connections.size;
  }

  /** @returns what clients send from now on, in chunks */
  record() {
    this.#settings.record ??= [];
    return this.#settings.record;
  }

  /** Swallows everything, in both directions, on every connection; new ones are accepted and swallowed too. */
  blackHole() {
    this.#settings.isHole = true;
  }

  /** The same on the connections there are, for good; the next ones are as they were. */
  blackHolePresent() {
    for (const connection of this.#connections) connection.isHole = true;
  }

  /** Ends `blackHole()`. What was swallowed does not come back. */
  letThrough() {
    this.#settings.isHole = false;
  }

  /** Resets every connection (RST). */
  reset() {
    for (const connection of this.#connections) connection.reset();
  }

  /** Ends every connection (FIN). */
  cut() {
    for (const connection of this.#connections) connection.end();
  }

  /** Tells the clients that the servers have nothing more to say, and goes on listening to them; the servers hear nothing of it. */
  halfClose() {
    for (const connection of this.#connections) connection.halfClose();
  }

  /** Resets new connections at once, or accepts them again. */
  refuse(isRefusing = true) {
    this.#isRefusing = isRefusing;
  }

  /** Holds each chunk back for between `least` and `most` ms, in each direction; order is kept. 0 for none. */
  delay(least, most = least) {
    this.#settings.delay = most > 0 ? { least, most } : null;
  }

  /** Holds all replies back. @returns {() => void} lets them through */
  holdReplies() {
    const gate = new Gate();
    this.#settings.gate = gate;
    return () => {
      this.#settings.gate = null;
      gate.open();
    };
  }

  /** Lets so many bytes a second through, in each direction; 0 for any number. */
  throttle(bytesPerSecond) {
    this.#settings.rate = bytesPerSecond;
  }

  /** Hands replies on in writes of so many bytes; 0 for as they come. */
  inPieces(bytes) {
    this.#settings.piece = bytes;
  }

  /** Ends each connection after so many bytes of replies; 0 for never. */
  cutAfter(bytes) {
    this.#settings.cutAt = bytes;
  }

  /** Swallows a request from `word` on, and everything of its connection after that. `null` ends this for later requests. */
  holeAt(word) {
    this.#settings.holeAt = word;
  }

  /** Swallows all replies of a connection from a request with `word` on. `null` ends this for later requests. */
  muteAt(word) {
    this.#settings.muteAt = word;
  }

  /**
   * Keeps a request from `word` on, and everything of its connection after that, until `deliverStranded()`. Its connection to
   * the server stays open without its client.
   */
  strandAt(word) {
    this.#settings.strandAt = word;
  }

  /** Number of connections with requests that are kept. */
  get stranded() {
    return [...this.#connections].filter((connection) => connection.isStranded).length;
  }

  /** Resets the clients of connections whose requests are kept. Their servers notice nothing. */
  cutClients() {
    this.#settings.strandAt = null;
    for (const connection of this.#connections) if (connection.isStranded) connection.resetClient();
  }

  /** Sends the servers the requests that were kept, and resolves once they were written or refused. */
  async deliverStranded() {
    await Promise.all([...this.#connections].map((connection) => connection.deliver()));
  }

  /** Ends everything. */
  close() {
    this.#listener.close();
    this.reset();
  }

  #accept(client) {
    if (this.#isRefusing) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    this.accepted++;
    const server = net.connect({ port: this.#server, host: '127.0.0.1', allowHalfOpen: true });
    const connection = new Connection(client, server, this.#settings, () => this.#connections.delete(connection));
    this.#connections.add(connection);
  }
}

/** One client's connection and the one to the server that belongs to it. */
class Connection {
  #sockets;
  #settings;
  #replied = 0;
  /** True once its requests, or its replies, are swallowed. */
  #isDeaf = false;
  #isMute = false;
  isHole = false;
  /** Requests that are kept; `null` without any. */
  #kept = null;

  constructor(client, server, settings, gone) {
    this.#sockets = [client, server];
    this.#settings = settings;
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.unref();
      // The end of this side informs the other one.
      socket.on('error', () => {});
      socket.on('close', () => {
        // The server is told nothing about a client whose requests are kept.
        if (this.isStranded && socket === client) return;
        this.end();
        gone();
      });
    }
    this.#pump(client, server, (chunk) => {
      settings.record?.push(chunk);
      return this.#requests(chunk);
    });
    this.#pump(server, client, (chunk) => (this.#isMute ? [] : this.#cutUp(chunk)));
  }

  /** The requests of a chunk that go on to the server. */
  #requests(chunk) {
    const { holeAt, muteAt, strandAt } = this.#settings;
    if (this.isStranded || (strandAt && chunk.includes(strandAt))) {
      this.#kept = [...(this.#kept ?? []), chunk];
      return [];
    }
    this.#isMute ||= Boolean(muteAt) && chunk.includes(muteAt);
    const at = holeAt ? chunk.indexOf(holeAt) : -1;
    if (this.#isDeaf || at >= 0) {
      const before = this.#isDeaf ? 0 : at;
      this.#isDeaf = true;
      return before > 0 ? [chunk.subarray(0, before)] : [];
    }
    return [chunk];
  }

  get #swallows() {
    return this.isHole || this.#settings.isHole;
  }

  end() {
    for (const socket of this.#sockets) socket.destroy();
  }

  reset() {
    for (const socket of this.#sockets) {
      // One that is being connected or ended cannot be reset, and Node would wait for it for ever when the process ends.
      if (socket.connecting || socket.writableEnded) socket.destroy();
      else if (!socket.destroyed) socket.resetAndDestroy();
    }
  }

  halfClose() {
    const [client] = this.#sockets;
    client.end();
  }

  get isStranded() {
    return this.#kept !== null;
  }

  resetClient() {
    this.#sockets[0].resetAndDestroy();
  }

  /** Writes the requests that were kept; the server can have ended the connection meanwhile. */
  async deliver() {
    const [, server] = this.#sockets;
    const kept = this.#kept ?? [];
    this.#kept = null;
    if (kept.length === 0 || !server.writable) return;
    await new Promise((resolve) => server.end(Buffer.concat(kept), resolve));
  }

  /** Hands on what comes from one side, one chunk after the other. */
  async #pump(from, to, cutUp) {
    try {
      for await (const chunk of from) {
        if (this.#swallows) continue;
        await this.#hold(chunk.length);
        if (to === this.#sockets[0]) await this.#settings.gate?.opened;
        for (const piece of cutUp(chunk)) await this.#write(to, piece);
      }
      // A hole swallows goodbyes too.
      if (!this.#swallows && !this.isStranded) to.end();
    } catch {
      if (!this.isStranded) this.end();
    }
  }

  async #hold(length) {
    const { delay, rate } = this.#settings;
    if (delay) await sleep(delay.least + Math.random() * (delay.most - delay.least));
    if (rate > 0) await sleep((length / rate) * 1000);
  }

  async #write(to, piece) {
    // What was held back when the hole opened falls in as well.
    if (this.#swallows || !to.writable) return;
    const written = new Promise((resolve, reject) => to.write(piece, (error) => (error ? reject(error) : resolve())));
    await written;
    if (to === this.#sockets[0]) this.#count(piece.length);
  }

  /** The replies of a chunk in pieces, up to where the connection is to be cut. */
  #cutUp(chunk) {
    const { piece, cutAt } = this.#settings;
    const length = cutAt > 0 ? Math.min(chunk.length, Math.max(cutAt - this.#replied, 0)) : chunk.length;
    const size = piece > 0 ? piece : length;
    const pieces = [];
    for (let at = 0; at < length; at += size) pieces.push(chunk.subarray(at, Math.min(at + size, length)));
    return pieces;
  }

  #count(length) {
    this.#replied += length;
    const { cutAt } = this.#settings;
    if (cutAt > 0 && this.#replied >= cutAt) this.end();
  }
}

module.exports = { TcpProxy };
