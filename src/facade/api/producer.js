'use strict';

const EventEmitter = require('eventemitter3');
const { NativeProducer } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const checks = require('../options/validate.js');
const { ConnectionManager } = require('./connection-manager.js');
const { Cancellation } = require('./cancellation.js');
const { disposable } = require('../support/dispose.js');
const { errorCarrier } = require('../support/error-carrier.js');
const { setErrorKind } = require('../support/errors.js');
const { newId } = require('../bridge/job-ids.js');
const { Job } = require('./job.js');
const { Sending } = require('./middleware/sending.js');
const { SentPartitions } = require('./partitioning/sent-partitions.js');
const { allSent, checkAll, refuseIds, refuseSharedValues } = require('./sending/send-all.js');
const { SendDispatch } = require('./sending/send-dispatch.js');
const { entryOf, entryWithPayload, measure } = require('./sending/send-entry.js');
const { ResultReaders } = require('./results/result-readers.js');
const { ValueCodecs } = require('./codecs/value-codecs.js');
const packetReader = require('../bridge/packet-reader.js');
const requests = require('../bridge/pending-requests.js');
const { producerStats } = require('./stats.js');
const { WaitRequests } = require('./wait-requests.js');
const { isAmbiguous, namesOf } = require('../support/wire-name.js');

/** Producer: sends jobs and receives their completions. */
class Producer extends EventEmitter {
  #native;
  #watched = false;
  #counts = { begun: 0, sent: 0, failed: 0, finished: 0, timedOut: 0 };
  #partitions;
  #dispatch;
  #cancellation;
  #results;
  /** Middleware; `null` without any. */
  #middleware = null;
  /** Codecs for values of jobs; `null` without any. */
  #codecs = null;

  /** @param {import('./connection-manager.js').ConnectionManager} connection */
  constructor(connection) {
    super();
    // Not one of another copy of the package either: its engine is not ours.
    if (!(connection instanceof ConnectionManager)) throw new TypeError('connection must be a ConnectionManager');
    this.connection = connection;
    this.id = newId();
    this.#native = new NativeProducer(connection.nativeBus(), this.id);
    this.#partitions = new SentPartitions(connection);
    this.#results = new ResultReaders(connection, () => this.#codecs);
    this.#dispatch = new SendDispatch(this, this.#native, {
      partitions: this.#partitions,
      waits: new WaitRequests(this.#native, connection.isPartitioned, this.#counts, (options, about) =>
        this.#results.ofJob(options, about),
      ),
      onDelayed: () => this.#expectFailures(),
    });
    this.#cancellation = new Cancellation(connection, this.#native, this.#partitions);
  }

  /** Listens for completions of its own jobs without arguments, or of all jobs of the given streams. */
  async listen(...streams) {
    let names = streams.map((stream) => this.#partitions.listenedNames(stream));
    if (names.some((name) => typeof name !== 'string')) names = (await Promise.all(names)).flat();
    packetReader.producers.set(this.#native.number, this);
    this.connection.member(this);
    this.#watch();
    const request = new requests.Request(undefined);
    this.#native.listen(requests.add(request), names);
    this.connection.used();
    return request.promise;
  }

  /** Creates a job, by default with a random id. */
  job(id) {
    const client = this.connection.sharedClient();
    return new Job(this.#codecs === null ? client : this.#codecs.clientOf(client), id || this.connection.newId());
  }

  /** Adds middleware for sends from now on. */
  use(middleware) {
    const sending = this.#middleware ?? new Sending(this);
    sending.add(middleware);
    this.#middleware = sending;
    return this;
  }

  /** Adds a codec for values of its jobs. */
  useCodec(codec, options) {
    const codecs = this.#codecs ?? new ValueCodecs();
    codecs.add(codec, options);
    this.#codecs = codecs;
    return this;
  }

  /** Sends a job. Resolves with the job when Redis has the entry. */
  send(options) {
    try {
      return this.#send(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Sends jobs in one write. Resolves with the jobs when Redis has all entries. */
  sendAll(sends, options) {
    try {
      return this.#sendAll(sends, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Removes a delayed send. Resolves with true if its entry was not added yet. */
  cancel(options) {
    try {
      return this.#cancellation.cancel(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Returns the chunks that a group emits for a job, as an asynchronous iterable. It subscribes when it is read. */
  results(options) {
    return this.#results.of(options);
  }

  /** Resolves with statistics of the producer. */
  stats() {
    packetWriter.flush();
    return producerStats(this.#native, this.#counts);
  }

  /** Ends all listening, all waits and all readers of results. The producer can be used again. */
  close() {
    packetWriter.flush();
    this.#results.end();
    this.detach();
    this.#native.reset();
    return Promise.resolve();
  }

  #send(options) {
    const entry = entryOf(options, this.connection);
    if (this.#middleware === null) return this.#dispatch.send(entry);
    return this.#middleware.send(entry, () => this.#dispatch.send(entry));
  }

  #sendAll(sends, options) {
    const isAtomic = Boolean(checks.object('options', options).atomic);
    if (isAtomic && !this.connection.hasOneServer) {
      throw new TypeError('atomic needs one Redis: a transaction cannot span a Cluster or several nodes');
    }
    const entries = checkAll(sends, (given) => entryWithPayload(given, this.connection));
    if (isAtomic) refuseIds(entries);
    refuseSharedValues(entries);
    if (entries.length === 0) return Promise.resolve([]);
    if (this.#middleware === null) return allSent(this.#dispatch.sendAll(entries, isAtomic));
    // Measured again, since middleware can have set values.
    const dispatch = (ready) =>
      this.#dispatch.sendAll(
        ready.map((entry) => measure(entry)),
        isAtomic,
      );
    return allSent(this.#middleware.sendAll(entries, dispatch, isAtomic));
  }

  /** Requests reports of completions for the user's listeners, beside outcomes. */
  #watch() {
    if (this.#watched) return;
    this.#watched = true;
    this.#native.watch();
  }

  /** Receives failures of delayed sends for the user's listeners. Without any, nothing holds the producer. */
  #expectFailures() {
    if (this.listenerCount('error') === 0) return;
    packetReader.producers.set(this.#native.number, this);
    this.connection.member(this);
  }

  /** @internal Ends all reports, after a stop of the bus or `close()`. */
  detach() {
    packetReader.producers.delete(this.#native.number);
  }

  /** @internal Emits a completion. */
  onCompletion(from, job, group, data) {
    try {
      const stream = this.#partitions.streamOf(from);
      const error = data === null ? null : JSON.parse(data);
      if (isAmbiguous(stream)) {
        for (const name of namesOf(stream, this.eventNames())) this.emit(name, error, job, group);
      } else this.emit(stream, error, job, group);
    } catch (error) {
      this.#report(errorCarrier(error, 'A listener threw.', 'LISTENER_ERROR'));
    }
  }

  /** @internal Reports a message on a completion channel that is not a completion. */
  onUnreadable(channel, text) {
    let message = text;
    try {
      message = JSON.parse(text);
      // Other JSON values are messages of other programs, and ignored; null is an error, as in 2.x.
      if (message !== null) return;
      throw new TypeError('The message is null.');
    } catch (error) {
      error.pubsub = { message, channel };
      this.#report(setErrorKind(error, 'MESSAGE_PARSING'));
    }
  }

  /** @internal Reports completions that were dropped while the event loop was blocked. */
  onEventsDropped(count) {
    const error = new Error(`${count} completions were dropped while the event loop was blocked.`);
    error.count = count;
    this.#report(setErrorKind(error, 'EVENTS_DROPPED'));
  }

  /** @internal Reports that Redis refused a subscription after a reconnection, or the entries of delayed sends. */
  onFailure(error) {
    this.#report(error);
  }

  #report(error) {
    try {
      this.emit('error', error);
    } catch {
      // An exception of a listener for errors has no other listener, and must not stop the bus.
    }
  }
}

disposable(Producer, 'close');

module.exports = { Producer };
