'use strict';

const { Peer } = require('./peer.js');

const SEVERAL_REPLIES = ['SUBSCRIBE', 'UNSUBSCRIBE', 'PSUBSCRIBE', 'PUNSUBSCRIBE'];
/** Commands with replies that would mix with those of the transaction. */
const NOT_QUEUED = [...SEVERAL_REPLIES, 'RESET'];

/** One of the two servers, with the connections of one sequence. */
class Side {
  #control;
  #peers;
  /** Ids of entries that the server made, by their number. */
  #ids = [];
  #tokens = 0;

  static async open(port, clients) {
    const [control, ...peers] = await Promise.all(Array.from({ length: clients + 1 }, () => Peer.connect(port)));
    await control.ask('FLUSHALL');
    return new Side(control, peers);
  }

  constructor(control, peers) {
    this.#control = control;
    this.#peers = peers;
  }

  /** Returns the messages received on a connection. */
  log(client) {
    return this.#peers[client].log;
  }

  /** Maps numbers to the ids of this server, and ids to numbers. */
  named(id) {
    const at = this.#ids.indexOf(id);
    return at < 0 ? undefined : `@${at}`;
  }

  /** The last reply of a connection is the id of a new entry. */
  name(client) {
    const reply = this.#peers[client].log.at(-1);
    this.#ids.push(Buffer.isBuffer(reply) ? reply.toString() : 'none');
  }

  /** Has a client send a command, and waits until the server is done with it. */
  async run(client, words) {
    const peer = this.#peers[client];
    const before = peer.replies;
    const actual = words.map((word) => this.#actual(word));
    peer.send(actual);
    if (SEVERAL_REPLIES.includes(words[0].toUpperCase())) {
      await this.#confirm(peer);
    } else if (mayBlock(actual)) {
      await this.#settle(peer, before);
    } else {
      await peer.settled(() => peer.replies > before);
    }
    await this.#release();
    this.#note(peer, words[0].toUpperCase());
  }

  /** Notes the begin and the end of a transaction, which these commands would disturb. */
  #note(peer, name) {
    if (name === 'MULTI' && peer.log.at(-1) === 'OK') peer.isQueueing = true;
    if (endsTransaction(name, peer.log.at(-1))) peer.isQueueing = false;
  }

  /** Returns true if a client can send the command now and its reply can be assigned. */
  canSend(client, words) {
    const { isBlocked, isQueueing } = this.#peers[client];
    const name = words[0].toUpperCase();
    // The ids that a transaction makes are not told from others of that moment.
    const isUnclear = NOT_QUEUED.includes(name) || (name === 'XADD' && words.includes('*'));
    return !isBlocked && !(isQueueing && isUnclear);
  }

  /** Ends what still waits, and waits for what is still to come. */
  async finish() {
    for (const peer of this.#peers.filter(({ isBlocked }) => isBlocked)) {
      await this.#control.ask('CLIENT', 'UNBLOCK', peer.id);
    }
    await this.#release();
    for (const peer of this.#peers) await this.#confirm(peer, 'RESET');
  }

  close() {
    for (const peer of [this.#control, ...this.#peers]) peer.close();
  }

  /** A word with this server's own ids in it. */
  #actual(word) {
    return word.replace(/^(\(?)@(\d+)$/, (_, sign, at) => `${sign}${this.#ids[at] ?? '3-0'}`);
  }

  /** A command that has any number of replies is done when the next one is. */
  async #confirm(peer, first) {
    if (first) peer.send([first]);
    const token = `done-${this.#tokens++}`;
    peer.send(['PING', token]);
    const isToken = (value) => Buffer.isBuffer(value) && value.toString() === token;
    await peer.settled(() => peer.log.some((value) => isToken(value) || (Array.isArray(value) && isToken(value[1]))));
  }

  /** Waits until the client has its reply, or waits for one. */
  async #settle(peer, before) {
    while (peer.replies === before) {
      const [isBlocked] = await this.#blocked([peer]);
      if (isBlocked) {
        peer.isBlocked = true;
        return;
      }
    }
  }

  /** Waits for the replies of those who do not wait any more. */
  async #release() {
    const waiting = this.#peers.filter(({ isBlocked }) => isBlocked);
    if (waiting.length === 0) return;
    const states = await this.#blocked(waiting);
    for (const [at, peer] of waiting.entries()) {
      if (states[at]) continue;
      peer.isBlocked = false;
      await this.#confirm(peer);
    }
  }

  async #blocked(peers) {
    const { value } = await this.#control.ask('CLIENT', 'LIST');
    const blocked = new Set(
      [...value.toString().matchAll(/^id=(\d+) .* flags=\S*b\S* /gm)].map(([, id]) => Number(id)),
    );
    return peers.map(({ id }) => blocked.has(id));
  }
}

/** Returns true if a command ends an open transaction; a refused command does not, except EXEC. */
function endsTransaction(name, reply) {
  return name === 'EXEC' || (['DISCARD', 'RESET'].includes(name) && !(reply instanceof Error));
}

/** Returns true if a command can block. */
function mayBlock(words) {
  const at = words.findIndex((word) => word.toUpperCase() === 'BLOCK');
  return /^xread/i.test(words[0]) && at > 0 && ['0', '100000'].includes(words[at + 1]);
}

module.exports = { Side, NOT_QUEUED, endsTransaction };
