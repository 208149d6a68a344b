'use strict';

const EventEmitter = require('eventemitter3');
const { NativeConsumer } = require('../bridge/native.js');
const { abortable, signalOf, throwIfAborted, whenAborted } = require('../support/abort.js');
const packetWriter = require('../bridge/packet-writer.js');
const checks = require('../options/validate.js');
const { ConnectionManager } = require('./connection-manager.js');
const diagnostics = require('../support/diagnostics.js');
const { disposable } = require('../support/dispose.js');
const { errorCarrier } = require('../support/error-carrier.js');
const { closedError, setErrorKind } = require('../support/errors.js');
const { newId } = require('../bridge/job-ids.js');
const { consumerOptions } = require('./consuming/consumer-options.js');
const { JobBatch, batchOptions } = require('./consuming/job-batch.js');
const { SettlementWriter } = require('./consuming/settlement-writer.js');
const { SlotValues } = require('./consuming/slot-values.js');
const { StartRules } = require('./consuming/start-rules.js');
const { StartValues } = require('./consuming/start-values.js');
const { streamOptions } = require('./consuming/stream-options.js');
const { Job } = require('./job.js');
const { ValueCodecs } = require('./codecs/value-codecs.js');
const { Receiving } = require('./middleware/receiving.js');
const { limitsOf } = require('./results/result-options.js');
const { ResultWriters } = require('./results/result-writers.js');
const { leaseTime, partitionCount } = require('./partitioning/partition-counts.js');
const { PartitionedStreams } = require('./partitioning/partitioned-streams.js');
const { startTimer } = require('../support/long-timer.js');
const { now } = require('../support/timers.js');
const packetReader = require('../bridge/packet-reader.js');
const requests = require('../bridge/pending-requests.js');
const { Run } = require('./job-run.js');
const { consumerStats } = require('./stats.js');

/** Numbers of the engine for the action that failed. */
const FAILED_AT = { settle: 1, foreign: 2, settleMore: 3 };

/** Consumer: runs the jobs of a group. */
class Consumer extends EventEmitter {
  #native;
  #group;
  #processors = [];
  /** Batches of the streams that have them, by the index of the stream. */
  #batches = new Map();
  #concurrency;
  #claimInterval;
  /** Names of the streams. */
  #streams = [];
  /** Latest run of each slot. */
  #runs = [];
  #startValues;
  /** Count of jobs that ended after the bus was stopped. */
  #late = 0;
  /** Removes the listener of the signal of `play()`. */
  #endPlay = () => {};
  #settlements;
  #startRules = new StartRules();
  #results;
  /** Middleware; `null` without any. */
  #middleware = null;
  /** Codecs for values of jobs; `null` without any. */
  #codecs = null;
  #partitioned;
  /** Count of pauses and stops, by which a `play()` that waits for partitions notices one. */
  #pauses = 0;
  /** Time at which a stop hands the jobs back, also those that a busy process has not started; `null` without a stop. */
  #startsUntil = null;

  /**
   * @param {import('./connection-manager.js').ConnectionManager} connection
   * @param {object} options options; `group` is required
   */
  constructor(connection, options) {
    super();
    // Not one of another copy of the package either: its engine is not ours.
    if (!(connection instanceof ConnectionManager)) throw new TypeError('connection must be a ConnectionManager');
    const { id, delOnSettle, ...native } = consumerOptions(options);
    this.#startValues = new StartValues(delOnSettle);
    this.connection = connection;
    this.id = id ?? newId();
    this.#group = native.group;
    this.#concurrency = native.concurrency || Infinity;
    this.#claimInterval = native.claimInterval;
    this.#native = new NativeConsumer(connection.nativeBus(), { ...native, id: this.id, freshId: id === undefined });
    const namesOf = (stream, count) => connection.nativeBus().partitionNames(stream, count);
    this.#partitioned = new PartitionedStreams(connection, namesOf);
    const onFailure = (error, job) => this.#reportSettlement(error, job);
    this.#results = new ResultWriters(this.#native, connection);
    this.#settlements = new SettlementWriter(this.#native, connection, onFailure);
  }

  /** Adds a stream, which is read from the next `play()` on. A known stream gets the new processor at once. */
  process(options) {
    const given = checks.object('options', options);
    const { processor } = given;
    if (typeof processor !== 'function') throw new TypeError('processor must be a function');
    const all = streamOptions(given, this.#claimInterval);
    const batch = batchOptions(given.batch, { concurrency: this.#concurrency, deadline: all.deadline });
    const limits = limitsOf(given.results);
    const least = partitionCount(given.partitions);
    const lease = leaseTime(given.ordered, { least, claimInterval: this.#claimInterval });
    const batches = batch === null ? null : new JobBatch(processor, batch);
    this.#startRules.set(all.name, all);
    const add = (options) => this.#addStream(options, all.name, processor, { batches, limits });
    if (least === 0) add(all);
    else {
      this.#partitioned.set(all.name, least, (name, isNew) => {
        // Every job of a new partition was sent while this consumer played.
        const start = isNew ? { fromId: '0', setId: false } : {};
        const order = lease > 0 ? { orderedAs: all.name, lease } : {};
        const partition = { ...all, ...start, ...order, name, isPartition: true };
        return add(partition);
      });
    }
    return this;
  }

  /** Adds middleware for jobs that start from now on. */
  use(middleware) {
    const receiving =
      this.#middleware ?? new Receiving(this, this.#group, (error, job) => this.onUnhandled(error, job));
    receiving.add(middleware);
    this.#middleware = receiving;
    return this;
  }

  /** Adds a codec for values of the jobs that start from now on. */
  useCodec(codec, options) {
    const codecs = this.#codecs ?? new ValueCodecs();
    codecs.add(codec, options);
    this.#codecs = codecs;
    return this;
  }

  /** Adds a stream of Redis. @param {string} name name of its stream for the user */
  #addStream(options, name, processor, { batches, limits }) {
    const index = this.#native.addStream(options);
    this.#batches.get(index)?.hurry();
    this.#batches.delete(index);
    this.#processors[index] = processor;
    this.#streams[index] = name;
    this.#results.set(index, name, limits);
    if (batches !== null) {
      this.#batches.set(index, batches);
      this.#processors[index] = (job) => batches.add(job);
    }
    return index;
  }

  /** Starts to read, until `signal` aborts. Resolves when every job sent from now on will be received. */
  async play(options = {}) {
    const signal = signalOf('signal', options?.signal);
    throwIfAborted(signal);
    const hasStream = this.#processors.length > 0 || this.#partitioned.names.length > 0;
    if (!hasStream) throw new Error('play() needs a processor: call process()');
    this.#endPlay();
    this.#endPlay = whenAborted(signal, () => this.pause());
    return abortable(this.#play(), signal);
  }

  #play() {
    if (this.#partitioned.names.length > 0) return this.#playPartitions();
    return this.#playStreams();
  }

  /** Adds all partitions first, and later those that are added while it plays. */
  async #playPartitions() {
    const pauses = this.#pauses;
    const isPlaying = () => this.#pauses === pauses;
    // A stop that comes meanwhile must find it.
    this.connection.member(this);
    this.connection.used();
    await this.#partitioned.open(false);
    if (!isPlaying()) return;
    await this.#playStreams();
    if (!isPlaying()) return;
    const onError = (error) => this.#report(setErrorKind(error, 'CONSUME_ERROR'));
    this.#partitioned.watch(() => this.#playStreams(), onError);
  }

  #playStreams() {
    packetReader.consumers.set(this.#native.number, this);
    this.connection.member(this);
    for (const batches of this.#batches.values()) batches.relax();
    const request = new requests.Request(undefined);
    this.#native.play(requests.add(request));
    this.connection.used();
    return request.promise;
  }

  /** Stops to read. Resolves when no job is in flight; rejects after `timeout` ms and stays paused. */
  async pause(timeout) {
    this.#endPlay();
    this.#endPartitions();
    const bound = checks.timeout(timeout);
    this.onStopping();
    packetWriter.flush();
    const request = new requests.Request(undefined);
    this.#native.pause(requests.add(request));
    return bound ? within(request.promise, bound, timeout) : request.promise;
  }

  /** Resolves with statistics of the consumer and its group. Rejects only for invalid options. */
  stats(options) {
    packetWriter.flush();
    const { names } = this.#partitioned;
    const about = { streams: this.#streams, partitioned: names, group: this.#group, late: this.#late };
    return consumerStats(this.#native, about, options);
  }

  #endPartitions() {
    this.#pauses++;
    this.#partitioned.end();
  }

  /** @internal Returns the name of the group. */
  get group() {
    return this.#group;
  }

  /** @internal Starts the batches that wait, before a pause or a stop waits for their jobs. */
  onStopping() {
    for (const batches of this.#batches.values()) batches.hurry();
  }

  /** @internal Starts no job after that time, since the engine hands it back then. */
  endStartsAt(time) {
    this.#startsUntil = Math.min(this.#startsUntil ?? Infinity, time);
  }

  /** @internal Ends all reports, after a stop of the bus. */
  detach() {
    this.#startsUntil = null;
    this.#endPlay();
    this.#endPartitions();
    for (const batches of this.#batches.values()) batches.drop();
    packetReader.consumers.delete(this.#native.number);
    this.#startValues.clear();
    for (const run of this.#runs) run?.abandon();
    this.#runs = [];
  }

  /** @internal Receives the value of a payload key of a job that starts next. */
  onPrefetched(token, key, payload) {
    this.#startValues.prefetch(token, key, payload);
  }

  /** @internal Receives the payload that came with the entry of a job that starts next. */
  onCarried(token, carried) {
    this.#startValues.carry(token, carried);
  }

  /** @internal Receives the headers of a job that starts next, for subscribers and middleware. */
  onHeaders(token, text, hasSubscribers) {
    if (hasSubscribers || this.#middleware !== null) this.#startValues.setHeaders(token, diagnostics.readHeaders(text));
  }

  /** @internal Runs a job; `hasSubscribers` is true if a channel for runs has a subscriber. */
  onJob(stream, token, id, hasSubscribers) {
    if (this.#startsUntil !== null && now() >= this.#startsUntil) return;
    const client = this.connection.sharedClient();
    const run = new Run(this, token, new Job(this.#codecs === null ? client : this.#codecs.clientOf(client), id));
    const headers = hasSubscribers || this.#middleware !== null ? this.#startValues.takeHeaders(token) : null;
    if (hasSubscribers) this.#announce(run, stream, headers);
    this.#startValues.pass(run, stream);
    this.#runs[SlotValues.indexOf(token)] = run;
    const processor = this.#processors[stream];
    if (this.#middleware === null) run.start(processor);
    else run.start(this.#middleware.around(processor, this.#streams[stream], headers));
  }

  /** @internal Returns a writer of the result of a run; `null` if it is not in flight any more. */
  resultOf(run) {
    return this.#results.of(run.token);
  }

  /** @internal Settles a job. Returns a promise of the settlement if `awaited`. */
  settle(run, data, awaited, unrecoverable) {
    return this.#settlements.settle(run, data, awaited, unrecoverable);
  }

  /** @internal Reports a job that ended after a stop of the bus, by a rejected promise or an `'error'` event. */
  settleLate(run, awaited) {
    this.#late++;
    const error = closedError();
    if (!awaited) {
      this.#reportSettlement(error, run.job);
      return undefined;
    }
    const refused = Promise.reject(error);
    // An unused promise must not crash the process.
    refused.catch(() => {});
    return refused;
  }

  /** @internal Frees the slot of a job that continues to run. */
  release(run) {
    this.#settlements.release(run);
  }

  /** @internal Reports an exception of a processor after its job was settled. */
  onUnhandled(thrown, job) {
    const message = 'A job that was settled already was rejected.';
    this.#report(errorCarrier(thrown, message, 'UNHANDLED_JOB_ERROR', { job }));
  }

  /** @internal Reports a failure of the engine. */
  onFailure(failure, token, error) {
    if (failure === FAILED_AT.settle) {
      this.#reportSettlement(error, this.#run(token)?.job);
    } else if (failure === FAILED_AT.settleMore) {
      error.count = token;
      this.#report(setErrorKind(error, 'REJECT_JOB_ERROR'));
    } else {
      this.#report(setErrorKind(error, failure === FAILED_AT.foreign ? 'FOREIGN_ENTRY' : 'CONSUME_ERROR'));
    }
  }

  /** @internal Ends a job that the engine has settled at its deadline. */
  onDeadline(token) {
    this.#run(token)?.expire();
  }

  /** @internal Notes the fencing number of a partition that the consumer owns; 0 for one that it does not own any more. */
  onOwned(index, fence) {
    const before = this.#startValues.own(index, fence);
    const stream = this.#streams[index];
    const partition = this.#partitioned.indexOf(stream, index);
    if (fence > 0) this.#emit('assigned', { stream, partition, fence });
    else if (before !== undefined) this.#emit('revoked', { stream, partition, fence: before });
  }

  /** @internal Emits that no job is in flight any more. */
  onDrained() {
    this.#emit('drained');
  }

  /** @internal Emits that an idle entry was claimed. */
  onClaimed(entry) {
    diagnostics.publish('claim', () => ({ consumer: this, group: this.#group, entry }));
    this.#emit('claimed', entry);
  }

  /** @internal Emits that an entry is not delivered again. */
  onExhausted(found, moved) {
    const entry = { ...found, moved };
    diagnostics.publish('exhaust', () => ({ consumer: this, group: this.#group, entry }));
    this.#emit('exhausted', entry);
  }

  /** @internal Emits that pending or undelivered entries were trimmed. */
  onTrimmed(stream, count, pending) {
    const entries = { stream: this.#streams[stream], count, pending };
    diagnostics.publish('trim', () => ({ consumer: this, group: this.#group, ...entries }));
    this.#emit('trimmed', entries);
  }

  /** @internal Publishes that idle consumers were removed from the group. */
  onConsumersRemoved(stream, consumers) {
    diagnostics.publish('remove', () => {
      return { consumer: this, group: this.#group, stream: this.#streams[stream], consumers };
    });
  }

  #announce(run, stream, headers) {
    run.announce({ consumer: this, job: run.job, stream: this.#streams[stream], group: this.#group, headers });
  }

  #emit(event, ...args) {
    try {
      this.emit(event, ...args);
    } catch (error) {
      this.#report(errorCarrier(error, 'A listener threw.', 'LISTENER_ERROR'));
    }
  }

  #run(token) {
    const run = this.#runs[SlotValues.indexOf(token)];
    return run?.token === token ? run : undefined;
  }

  #reportSettlement(error, job) {
    error.job = job;
    this.#report(setErrorKind(error, 'REJECT_JOB_ERROR'));
  }

  #report(error) {
    try {
      this.emit('error', error);
    } catch {
      // An exception of a listener for errors has no other listener, and must not stop the bus.
    }
  }
}

function within(promise, bound, timeout) {
  return new Promise((resolve, reject) => {
    const expire = () => {
      const error = new Error(`Timeouted while waiting to be drained: ${timeout}ms`);
      reject(setErrorKind(error, 'PAUSE_TIMEOUT'));
    };
    const cancel = startTimer(bound, expire);
    promise.then(resolve, reject).finally(cancel);
  });
}

disposable(Consumer, 'pause');

module.exports = { Consumer };
