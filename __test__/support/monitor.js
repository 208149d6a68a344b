'use strict';

const { RawClient } = require('./raw-client.js');
const { until } = require('./wait-until.js');

const LINE = /^\d+\.\d+ \[\d+ (?<address>\S+)\] (?<words>.*)$/s;
const WORD = /"((?:[^"\\]|\\.)*)"/gs;
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|(.))/gs;
const SHORT = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };

let markers = 0;

/** Returns true for a consumer's check for delayed sends, which comes at any time. */
function isProbe([command, key]) {
  return ['GET', 'EXISTS'].includes(command) && /:delayed:.*:times$/.test(key);
}

/** Every command that a server executes, in order, but for those of the test itself. */
class Monitor {
  #server;
  #client;
  #recorded = [];

  static async on(server) {
    const monitor = new Monitor(server);
    await monitor.#client.call('MONITOR');
    return monitor;
  }

  constructor(server) {
    this.#server = server;
    this.#client = new RawClient(server.port, (line) => this.#record(line));
  }

  /** Commands so far, as arrays of words; the command's name (and XGROUP's subcommand) in upper case. */
  async commands() {
    return (await this.#fromOthers()).map(({ words }) => words);
  }

  /** The names of the commands so far by connection: one array for each, in the order in which they were first used. */
  async byConnection() {
    const connections = new Map();
    for (const { address, words } of await this.#fromOthers()) {
      connections.set(address, [...(connections.get(address) ?? []), words[0]]);
    }
    return [...connections.values()];
  }

  /** The scripts so far: the keys that each names, and the commands that it has called. */
  async scripts() {
    const scripts = [];
    for (const { address, words } of await this.#fromOthers()) {
      if (words[0] === 'EVAL') scripts.push({ keys: words.slice(3, 3 + Number(words[2])), used: [] });
      else if (address === 'lua') scripts.at(-1).used.push(words);
    }
    return scripts;
  }

  /** The checks for delayed sends so far. */
  async probes() {
    await this.#fromOthers();
    return this.#recorded.map(({ words }) => words).filter(isProbe);
  }

  async #fromOthers() {
    const marker = `marker-${process.pid}-${markers++}`;
    await this.#server.call('ECHO', marker);
    await until(() => this.#recorded.some(({ words }) => words[1] === marker), { what: 'the marker in MONITOR' });
    const own = this.#server.client.address;
    return this.#recorded.filter(({ address, words }) => address !== own && (address === 'lua' || !isProbe(words)));
  }

  /** Those of some names. */
  async named(...names) {
    return (await this.commands()).filter(([name]) => names.includes(name));
  }

  /** Those that name a key or channel. */
  async about(part) {
    return (await this.commands()).filter((words) => words.some((word) => word.includes(part)));
  }

  /** Forgets what was recorded so far. */
  async clear() {
    await this.commands();
    this.#recorded = [];
  }

  close() {
    this.#client.close();
  }

  #record(line) {
    const match = LINE.exec(line);
    if (!match) return;
    const words = [...match.groups.words.matchAll(WORD)].map(([, text]) => asWritten(text));
    words[0] = words[0].toUpperCase();
    this.#recorded.push({ address: match.groups.address, words });
  }
}

/** Undoes the escapes of MONITOR, which has bytes in hexadecimal. */
function asWritten(text) {
  const bytes = text.replace(ESCAPE, (_, hex, short) =>
    hex ? String.fromCharCode(parseInt(hex, 16)) : (SHORT[short] ?? short),
  );
  return Buffer.from(bytes, 'latin1').toString();
}

module.exports = { Monitor };
