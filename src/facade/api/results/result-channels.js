'use strict';

const { NativeResultChannels } = require('../../bridge/native.js');
const packetReader = require('../../bridge/packet-reader.js');
const requests = require('../../bridge/pending-requests.js');
const { closedError } = require('../../support/errors.js');
const { decode } = require('./chunk-message.js');

/**
 * Channels of results of a bus. All readers share the subscriber connection that completions have, and readers of one result
 * share its channel.
 */
class ResultChannels {
  #native;
  #connection;
  /** Node, readers and subscription of each channel. */
  #channels = new Map();

  /** @param {import('../connection-manager.js').ConnectionManager} connection */
  constructor(connection) {
    this.#connection = connection;
    this.#native = new NativeResultChannels(connection.nativeBus());
  }

  /** Returns node, key and channel of a result, and the group's name in Redis. */
  place({ stream, group, id }) {
    return this.#native.place(stream, group, id);
  }

  /** Adds a reader. Resolves once Redis has confirmed the subscription. */
  add({ node, key, channel }, reader) {
    let open = this.#channels.get(channel);
    if (open === undefined) {
      const request = new requests.Request(undefined);
      open = { node, readers: new Set(), subscribed: request.promise };
      this.#channels.set(channel, open);
      packetReader.producers.set(this.#native.number, this);
      this.#connection.member(this);
      this.#native.subscribe(requests.add(request), node, key, channel);
      this.#connection.used();
      request.promise.catch(() => {
        // Later readers try again.
        if (this.#channels.get(channel) === open) this.#forget(channel);
      });
    }
    open.readers.add(reader);
    return open.subscribed;
  }

  /** Removes a reader. The last one of a channel ends its subscription. */
  remove({ channel }, reader) {
    const open = this.#channels.get(channel);
    if (!open?.readers.delete(reader) || open.readers.size > 0) return;
    this.#forget(channel);
    this.#native.unsubscribe(open.node, channel);
  }

  #forget(channel) {
    this.#channels.delete(channel);
    if (this.#channels.size === 0) packetReader.producers.delete(this.#native.number);
  }

  /** @internal Receives a message. */
  onChunks(channel, bytes) {
    const open = this.#channels.get(channel);
    const message = open === undefined ? null : decode(bytes);
    if (message === null) return;
    for (const reader of open.readers) reader.offer(message);
  }

  /** @internal Notes that messages of a node can be missing. @param {number} number the engine's number of the node */
  onChunksMissed(number) {
    const node = number - this.#connection.nativeBus().number;
    for (const open of this.#channels.values()) if (open.node === node) missed(open);
  }

  /** @internal Notes that messages were dropped while the event loop was blocked. */
  onEventsDropped() {
    for (const open of this.#channels.values()) missed(open);
  }

  /** @internal Notes that Redis has refused a subscription after a reconnection. Readers ask at intervals. */
  onFailure() {
    for (const open of this.#channels.values()) missed(open);
  }

  /** @internal Ends all readers, after a stop of the bus. */
  detach() {
    packetReader.producers.delete(this.#native.number);
    const ended = [...this.#channels.values()];
    this.#channels.clear();
    for (const { readers } of ended) for (const reader of readers) reader.end(closedError());
  }
}

function missed({ readers }) {
  for (const reader of readers) reader.fallBehind();
}

module.exports = { ResultChannels };
