'use strict';

const EventEmitter = require('eventemitter3');
const { NativeProducer, Operation, SendFlag } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const checks = require('../options/validate.js');
const { ConnectionManager } = require('./connection-manager.js');
const diagnostics = require('../support/diagnostics.js');
const { disposable } = require('../support/dispose.js');
const { errorCarrier } = require('../support/error-carrier.js');
const { setErrorKind } = require('../support/errors.js');
const { newId } = require('../bridge/job-ids.js');
const { Job } = require('./job.js');
const { Backlogs, packed, withdraw } = require('./sending/backlogs.js');
const { SendTogether, allSent, checkAll, refuseIds, refuseSharedValues } = require('./sending/send-all.js');
const { disconnectionOf, extentOf, inParts } = require('./sending/send-parts.js');
const { groupsOf, jobId, length, onceAndDelay, recordTime, routeOf } = require('./sending/send-options.js');
const { SendRequest } = require('./sending/send-request.js');
const { Sending } = require('./middleware/sending.js');
const { ValueCodecs } = require('./codecs/value-codecs.js');
const { orderKey, partitionCount } = require('./partitioning/partition-counts.js');
const { PartitionNames } = require('./partitioning/partition-names.js');
const { choosePayload } = require('./payload/send-payload.js');
const packetReader = require('../bridge/packet-reader.js');
const requests = require('../bridge/pending-requests.js');
const { producerStats } = require('./stats.js');
const { Wait } = require('./completion-wait.js');
const { WaitRequests } = require('./wait-requests.js');
const { isAmbiguous, namesOf } = require('../support/wire-name.js');

const NO_GROUPS = [];

/** Maximum number of combinations of stream and groups that are kept. */
const MOST_PLANS = 1000;

/** Producer: sends jobs and receives their completions. */
class Producer extends EventEmitter {
  #native;
  #plans = new Map();
  /** Plan of the last send; most sends have the same. */
  #lastPlan = null;
  #watched = false;
  /** Number of jobs without a key that went to a partition in turn. */
  #turns = 0;
  /** Streams by the names of their partitions, of sends. */
  #partitions = null;
  #counts = { begun: 0, sent: 0, failed: 0, finished: 0, timedOut: 0 };
  #waits;
  /** Middleware; `null` without any. */
  #middleware = null;
  /** Codecs for values of jobs; `null` without any. */
  #codecs = null;
  /** Backlogs of the streams, with `backlogLimit`; `null` without. */
  #backlogs;

  /** @param {import('./connection-manager.js').ConnectionManager} connection */
  constructor(connection) {
    super();
    // Not one of another copy of the package either: its engine is not ours.
    if (!(connection instanceof ConnectionManager)) throw new TypeError('connection must be a ConnectionManager');
    this.connection = connection;
    this.id = newId();
    this.#native = new NativeProducer(connection.nativeBus(), this.id);
    this.#backlogs = connection.retention.backlogLimit > 0 ? new Backlogs(connection) : null;
    this.#waits = new WaitRequests(this.#native, connection.isPartitioned, this.#counts);
  }

  /** Listens for completions of its own jobs without arguments, or of all jobs of the given streams. */
  async listen(...streams) {
    let names = streams.map((stream) => this.#namesOf(stream));
    if (names.some((name) => typeof name !== 'string')) names = (await Promise.all(names)).flat();
    packetReader.producers.set(this.#native.number, this);
    this.connection.member(this);
    this.#watch();
    const request = new requests.Request(undefined);
    this.#native.listen(requests.add(request), names);
    this.connection.used();
    return request.promise;
  }

  /** Returns the name of a stream, or a promise of those of its partitions. */
  #namesOf(given) {
    if (typeof given !== 'object' || given === null) return checks.name('stream', given);
    const stream = checks.name('stream', given.stream);
    const least = partitionCount(given.partitions);
    if (least === 0) return stream;
    const agreed = this.connection.partitionCounts.agree(stream, least);
    return agreed.then((count) => {
      const names = this.#nameOf(stream, count);
      this.#partitions.listen(stream, names);
      return names;
    });
  }

  /** Returns the names of partitions. Completions there are those of the stream. */
  #nameOf(stream, count) {
    const names = this.connection.partitionCounts.namesOf(stream, count);
    this.#partitions ??= new PartitionNames();
    this.#partitions.send(stream, names);
    return names;
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
      return this.#cancel(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Resolves with statistics of the producer. */
  stats() {
    packetWriter.flush();
    return producerStats(this.#native, this.#counts);
  }

  /** Ends all listening and all waits. The producer can be used again. */
  close() {
    packetWriter.flush();
    this.detach();
    this.#native.reset();
    return Promise.resolve();
  }

  #cancel(options) {
    const { stream, id, route, partitions } = checks.object('options', options);
    const name = checks.name('stream', stream);
    if (typeof id !== 'string' || id === '') throw new TypeError('id must be a string that is not empty');
    const least = partitionCount(partitions);
    if (least === 0) return this.#cancelIn(name, route, id);
    if (route !== undefined && route !== null) throw new TypeError('route must not be given with partitions');
    return this.#cancelInPartitions(name, least, id);
  }

  /** The partition of a job without a key is not known, so all are asked. */
  async #cancelInPartitions(stream, least, id) {
    const names = this.#nameOf(stream, await this.connection.partitionCounts.agree(stream, least));
    const results = await Promise.all(names.map((name) => this.#cancelIn(name, undefined, id)));
    return results.includes(true);
  }

  #cancelIn(name, route, id) {
    const leadsBy = this.connection.isPartitioned ? routeOf(route, name) : name;
    if (leadsBy === null) throw new TypeError('cancel needs a route: DISTRIBUTED_ROUTING has one for each job');
    packetWriter.flush();
    const request = new CancelRequest(false);
    this.#native.cancel(requests.add(request), leadsBy, name, id);
    this.connection.used();
    return request.promise;
  }

  #send(options) {
    const entry = this.#entry(options);
    if (this.#middleware === null) return this.#dispatch(entry);
    return this.#middleware.send(entry, () => this.#dispatch(entry));
  }

  #sendAll(sends, options) {
    const isAtomic = Boolean(checks.object('options', options).atomic);
    if (isAtomic && !this.connection.hasOneServer) {
      throw new TypeError('atomic needs one Redis: a transaction cannot span a Cluster or several nodes');
    }
    const entries = checkAll(sends, (given) => this.#entryWithPayload(given));
    if (isAtomic) refuseIds(entries);
    refuseSharedValues(entries);
    if (entries.length === 0) return Promise.resolve([]);
    if (this.#middleware === null) return allSent(this.#dispatchAll(entries, isAtomic));
    // Measured again, since middleware can have set values.
    const dispatch = (ready) =>
      this.#dispatchAll(
        ready.map((entry) => measure(entry)),
        isAtomic,
      );
    return allSent(this.#middleware.sendAll(entries, dispatch, isAtomic));
  }

  /** Sends jobs with valid options in one write, or in one transaction. @returns a promise for each */
  #dispatchAll(entries, isAtomic) {
    if (isAtomic) return this.#dispatchTogether(entries);
    const parts = inParts(entries, this.connection.queueLimit);
    if (parts.length > 1) return this.#dispatchInParts(parts);
    return entries.map((entry) => this.#attempt(entry));
  }

  /** Validates the options of a send. */
  #entry(options) {
    const given = checks.object('options', options);
    const { stream, route, job, capped, waitFor, rejectOnError, durable, key, partitions } = given;
    const id = jobId(job);
    const once = onceAndDelay(given, id);
    const groups = groupsOf(waitFor);
    if (groups && !Object.isExtensible(job)) throw new TypeError('job must be extensible to be waited for');
    if (once && !Object.isExtensible(job))
      throw new TypeError('job must be extensible to be sent with an id or a delay');
    const name = checks.name('stream', stream);
    const leadsBy = this.connection.isPartitioned ? routeOf(route, name) : name;
    if (once && leadsBy === null)
      throw new TypeError('id and delay need a route: DISTRIBUTED_ROUTING has one for each job');
    const cap = length(capped);
    if (cap > 0 && this.connection.retention.isOn) {
      throw new TypeError(
        "capped removes entries that were not read, which retain: 'acknowledged' prevents: use backlogLimit",
      );
    }
    const least = partitions === undefined ? 0 : partitionCount(partitions);
    if (least > 0 && route !== undefined && route !== null) {
      throw new TypeError('route must not be given with partitions');
    }
    const record = recordTime(durable);
    const endsAtError = Boolean(rejectOnError);
    return {
      given,
      job,
      id,
      name,
      leadsBy,
      key: key === undefined ? null : orderKey(key),
      least,
      partitions: least === 0 ? 0 : this.connection.partitionCounts.known(name, least),
      groups,
      cap,
      record,
      endsAtError,
      once,
      headers: null,
      payload: null,
      isOnlyCopy: false,
      extent: null,
      wait: null,
      backlog: null,
    };
  }

  /** Validates the options of a send, and the payload of its job too. */
  #entryWithPayload(options) {
    const entry = this.#entry(options);
    const payload = payloadOf(entry);
    this.#checkOnce(entry, payload);
    return measure(entry, payload);
  }

  /** Refuses payload keys on other servers, since those of a duplicate would replace those of the first send. */
  #checkOnce({ once }, payload) {
    if (once === null || payload === null || this.connection.hasOneServer || payload.keys.length === 0) return;
    throw new TypeError("id and delay need payload: 'entry' for values on a Cluster and on several nodes");
  }

  /** Sends a job with valid options. */
  #dispatch(entry) {
    const request = this.#begin(entry);
    this.#enter(request, entry);
    return request.promise;
  }

  /** Packs a send that has begun, once the count of its partitions is known and its stream has room for it. */
  #enter(request, entry) {
    if (entry.partitions < entry.least) {
      // A copy, since bytes can change until the count is there.
      entry.payload = entry.payload?.copy() ?? null;
      this.#enterAgreed(request, entry);
      return;
    }
    const admission = this.#backlogs === null ? null : this.#backlogs.admit([this.#place(entry)]);
    if (admission === null) this.#launch(request, entry);
    else this.#launchBehind(admission, request, [entry], () => this.#launch(request, entry));
  }

  /** Packs what has begun after an admission. Later changes of bytes do not affect it. A refusal rejects the request. */
  async #launchBehind(admission, request, entries, launch) {
    for (const entry of entries) entry.payload = entry.payload?.copy() ?? null;
    try {
      await admission;
      launch();
    } catch (error) {
      for (const entry of entries) withdraw(entry);
      request.failed(error);
    }
  }

  /** Packs a send that has begun. */
  #launch(request, entry) {
    const { payload } = entry;
    const keys = payload === null ? [] : payload.keys;
    if (keys.length > 0 && !this.connection.hasOneServer) {
      // A copy, since bytes can change until the keys are there.
      entry.payload = payload.withoutKeys();
      this.#packBehindKeys(request, entry, keys);
    } else {
      if (keys.length > 0 && entry.once === null) request.repeatWith(() => this.#pack(request, entry));
      this.#pack(request, entry);
    }
  }

  async #enterAgreed(request, entry) {
    try {
      await this.connection.partitionCounts.after(entry.name, entry.least, (count) => {
        entry.partitions = count;
        this.#enter(request, entry);
      });
    } catch (error) {
      request.failed(error);
    }
  }

  #attempt(entry) {
    try {
      return this.#dispatch(entry);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Begins all sends now, and packs each part after the one before it has ended. @returns a promise for each */
  #dispatchInParts(parts) {
    const promises = [];
    const begun = parts.map((part) => part.map((entry) => this.#beginIn(promises, entry)).filter(Boolean));
    this.#launchInParts(begun);
    return promises;
  }

  /** Begins a send and adds its promise. @returns the send; `null` after a failure */
  #beginIn(promises, entry) {
    try {
      const request = this.#begin(entry);
      promises.push(request.promise);
      return { request, entry };
    } catch (error) {
      promises.push(Promise.reject(error));
      return null;
    }
  }

  async #launchInParts(parts) {
    let disconnection = null;
    for (const part of parts) {
      for (const { request, entry } of part) {
        try {
          if (disconnection !== null) throw disconnection;
          this.#enter(request, entry);
        } catch (error) {
          request.failed(error);
        }
      }
      const results = await Promise.allSettled(part.map(({ request }) => request.promise));
      // A later part would open a stopped bus again, or wait for Redis once more.
      disconnection ??= disconnectionOf(results);
    }
  }

  /** Sends jobs with valid options in one transaction. @returns a promise for each */
  #dispatchTogether(entries) {
    const request = new SendTogether();
    try {
      for (const entry of entries) request.add(this.#begin(entry));
      const admission = this.#admissionOf(entries);
      if (admission === null) this.#packTogether(request, entries);
      else this.#launchBehind(admission, request, entries, () => this.#packTogether(request, entries));
    } catch (error) {
      entries.forEach(withdraw);
      request.failed(error);
      throw error;
    }
    return request.promises;
  }

  /** Returns a promise of the counts of partitions and of room in the streams; `null` if there is nothing to wait for. */
  #admissionOf(entries) {
    const isCounted = entries.every(({ partitions, least }) => partitions >= least);
    if (!isCounted) return this.connection.partitionCounts.agreeAll(entries).then(() => this.#admissionOf(entries));
    return this.#backlogs === null ? null : this.#backlogs.admit(entries.map((entry) => this.#place(entry)));
  }

  /** Chooses the partition of a job, since each has a backlog of its own. The job is then one of the partition's stream. */
  #place(entry) {
    const { name, key, once, partitions } = entry;
    if (partitions === 0) return entry;
    const leading = key ?? (once !== null && !once.isOfJob ? once.id : null);
    const at =
      leading === null ? this.#turns++ % partitions : this.connection.nativeBus().partitionOf(leading, partitions);
    entry.name = this.#nameOf(name, partitions)[at];
    entry.leadsBy = this.connection.isPartitioned ? routeOf(undefined, entry.name) : entry.name;
    entry.partitions = 0;
    entry.least = 0;
    return entry;
  }

  /** Takes the payload of a job that is sent, and begins its wait. */
  #begin(entry) {
    const { job, name, groups, endsAtError } = entry;
    // Before anything is packed or planned, since a subscriber can send jobs and push payloads.
    const message = diagnostics.hasSendSubscribers() ? this.#announce(job, name, groups, entry.headers) : null;
    const headers = message === null ? entry.headers : message.headers;
    entry.headers = headers && diagnostics.packHeaders(headers);
    const payload = message === null ? payloadOf(entry) : payloadOrPublish(entry, message);
    this.#checkOnce(entry, payload);
    if (entry.once?.delay) this.#expectFailures();
    const restore = payload && Job.takeSendable(job, payload);
    entry.payload = payload;
    entry.wait = groups && new Wait(groups, endsAtError, this.#waits, payload?.isOnlyCopy ? payload.returns : []);
    return new SendRequest(job, entry.wait, this.#counts, message, restore);
  }

  /** Packs a send once its payload keys, which are on another server, are there. */
  async #packBehindKeys(request, entry, keys) {
    try {
      await Job.pushSets(entry.job, keys);
    } catch (error) {
      withdraw(entry);
      request.failed(error);
      return;
    }
    this.#pack(request, entry);
  }

  /** Packs a send. A failure rejects the request. */
  #pack(request, entry) {
    try {
      const plan = this.#plan(entry, false);
      packetWriter.begin(Operation.Send);
      packetWriter.writeNumber(this.#native.number);
      packetWriter.writeRequest(request);
      writeEntry(plan, entry);
      packetWriter.end();
      packed(entry);
    } catch (error) {
      withdraw(entry);
      request.failed(error);
    }
  }

  /** Packs the sends of one transaction as one unit. */
  #packTogether(request, entries) {
    if (this.#plans.size + entries.length > MOST_PLANS) this.#forgetPlans();
    const plans = entries.map((entry) => this.#plan(entry, true));
    packetWriter.begin(Operation.SendTogether);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeRequest(request);
    packetWriter.writeNumber(entries.length);
    for (const [index, entry] of entries.entries()) writeEntry(plans[index], entry);
    packetWriter.end();
    entries.forEach(packed);
  }

  /** Publishes a job that will be sent. @returns the message, to which subscribers can add headers */
  #announce(job, stream, groups, headers) {
    const message = { producer: this, job, stream, waitFor: groups ?? [], headers: headers ?? {} };
    diagnostics.channels.send.publish(message);
    return message;
  }

  /**
   * Returns the number of the plan of an entry.
   * @param {boolean} hasOthers true while further plans of the same unit are in use
   */
  #plan({ name, leadsBy, groups, partitions }, hasOthers) {
    const awaited = groups ?? NO_GROUPS;
    const last = this.#lastPlan;
    const isLast = last !== null && last.name === name && last.leadsBy === leadsBy && last.partitions === partitions;
    if (isLast && isSame(last.awaited, awaited)) return last.plan;
    const key = JSON.stringify([name, leadsBy, awaited, partitions]);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      if (!hasOthers && this.#plans.size >= MOST_PLANS) this.#forgetPlans();
      if (partitions > 0) this.#nameOf(name, partitions);
      plan = this.#native.plan(name, leadsBy, awaited, partitions);
      this.#plans.set(key, plan);
    }
    this.#lastPlan = { name, leadsBy, awaited, partitions, plan };
    return plan;
  }

  #forgetPlans() {
    // Packed sends refer to plans by number.
    packetWriter.flush();
    this.#plans.clear();
    this.#lastPlan = null;
    this.#native.forgetPlans();
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
      const stream = this.#partitions?.streamOf(from) ?? from;
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

/** Request to remove a delayed send. */
class CancelRequest extends requests.Request {
  called(_index, _error, count) {
    this.result = count === 1;
  }
}

/** Chooses the payload that leaves with an entry. */
function payloadOf({ given, job, cap, groups }) {
  return choosePayload(Job.sendable(job), given, { isCapped: cap > 0, isAwaited: groups !== null });
}

/** Validates the payload of an entry, and notes its size. */
function measure(entry, payload = payloadOf(entry)) {
  entry.isOnlyCopy = payload?.isOnlyCopy ?? false;
  entry.extent = extentOf(entry, payload);
  return entry;
}

/** Chooses the payload. Subscribers that have the message of a send get that of its refusal too. */
function payloadOrPublish(entry, message) {
  try {
    return payloadOf(entry);
  } catch (error) {
    diagnostics.channels.sent.publish(Object.assign(message, { error }));
    throw error;
  }
}

/** Writes a send from its plan on. */
function writeEntry(plan, { id, cap, record, headers, key, endsAtError, wait, payload, once }) {
  packetWriter.writeNumber(plan);
  packetWriter.writeNumber(cap);
  packetWriter.writeNumber(wait ? wait.number : 0);
  packetWriter.writeNumber(
    (endsAtError ? SendFlag.EndsAtError : 0) |
      (headers ? SendFlag.Headers : 0) |
      (key !== null ? SendFlag.Key : 0) |
      (payload ? payload.flags : 0) |
      (once ? onceFlags(once) : 0),
  );
  packetWriter.writeNumber(record);
  packetWriter.writeString(id);
  if (headers) packetWriter.writeString(headers);
  if (key !== null) packetWriter.writeString(key);
  payload?.write();
  if (once) {
    packetWriter.writeString(once.id);
    packetWriter.writeNumber(once.ttl);
    if (once.delay) packetWriter.writeNumber(once.delay);
    if (once.due) packetWriter.writeNumber(once.due);
  }
}

function onceFlags({ delay, due, isOfJob }) {
  const ofDelay = (delay ? SendFlag.Delayed : 0) | (due ? SendFlag.Due : 0);
  return SendFlag.Once | ofDelay | (isOfJob ? SendFlag.OfJob : 0);
}

function isSame(left, right) {
  return left.length === right.length && left.every((name, at) => name === right[at]);
}

disposable(Producer, 'close');

module.exports = { Producer };
