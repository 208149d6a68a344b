'use strict';

const EventEmitter = require('eventemitter3');
const { NativeProducer, Operation, SendFlag } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const checks = require('../options/validate.js');
const { ConnectionManager } = require('./connection-manager.js');
const { DISTRIBUTED_ROUTING } = require('../support/constants.js');
const diagnostics = require('../support/diagnostics.js');
const { disposable } = require('../support/dispose.js');
const { errorCarrier } = require('../support/error-carrier.js');
const { setErrorKind } = require('../support/errors.js');
const { newId } = require('../bridge/job-ids.js');
const { Job } = require('./job.js');
const packetReader = require('../bridge/packet-reader.js');
const requests = require('../bridge/pending-requests.js');
const { producerStats } = require('./stats.js');
const { Wait } = require('./completion-wait.js');
const { WaitRequests } = require('./wait-requests.js');
const { isAmbiguous, namesOf } = require('../support/wire-name.js');

/** So many combinations of stream and groups are remembered; a producer has a handful, unless it makes them up. */
const MOST_PLANS = 1000;

/** For how long an outcome is kept, in ms, unless `durable` says. */
const RECORD_TIME = 60 * 60 * 1000;

/** Sends jobs and hears of their completions. */
class Producer extends EventEmitter {
  #native;
  #plans = new Map();
  #watched = false;
  #counts = { begun: 0, sent: 0, failed: 0, finished: 0, timedOut: 0 };
  #waits;

  /** @param {import('./connection-manager.js').ConnectionManager} connection */
  constructor(connection) {
    super();
    // Not one of another copy of the package either: its engine is not ours.
    if (!(connection instanceof ConnectionManager)) throw new TypeError('connection must be a ConnectionManager');
    this.connection = connection;
    this.id = newId();
    this.#native = new NativeProducer(connection.nativeBus(), this.id);
    this.#waits = new WaitRequests(this.#native, connection.isPartitioned, this.#counts);
  }

  /** Hears of completions: of its own jobs without arguments, of everybody's on these streams with. */
  async listen(...streams) {
    const names = streams.map((stream) => checks.name('stream', stream));
    packetReader.producers.set(this.#native.number, this);
    this.connection.member(this);
    this.#watch();
    const request = new requests.Request(undefined);
    this.#native.listen(requests.add(request), names);
    this.connection.used();
    return request.promise;
  }

  /** A new job, with a random id if none is given. */
  job(id) {
    return new Job(this.connection.sharedClient(), id || this.connection.newId());
  }

  /** Sends a job; resolves with it once Redis has the entry. */
  send(options) {
    try {
      return this.#send(options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What it has done so far. */
  stats() {
    packetWriter.flush();
    return producerStats(this.#native, this.#counts);
  }

  /** Hears nothing any more and gives up what it waits for. It can be used again. */
  close() {
    packetWriter.flush();
    this.detach();
    this.#native.reset();
    return Promise.resolve();
  }

  #send(options) {
    const { stream, route, job, capped, waitFor, rejectOnError, durable } = checks.object('options', options);
    const id = jobId(job);
    const groups = groupsOf(waitFor);
    if (groups && !Object.isExtensible(job)) throw new TypeError('job must be extensible to be waited for');
    const name = checks.name('stream', stream);
    const leadsBy = this.connection.isPartitioned ? routeOf(route, name) : name;
    const cap = length(capped);
    const record = recordTime(durable);
    // Before anything is packed or planned: who is told may send jobs and push payloads of its own.
    const message = diagnostics.hasSendSubscribers() ? this.#announce(job, name, groups) : null;
    const headers = message && diagnostics.packHeaders(message.headers);
    const plan = this.#plan(name, leadsBy, groups ?? []);
    const wait = groups && new Wait(groups, Boolean(rejectOnError), this.#waits);
    const request = new SendRequest(job, wait, this.#counts, message);
    const flags = (rejectOnError ? SendFlag.EndsAtError : 0) | (headers ? SendFlag.Headers : 0);
    try {
      this.#pack(request, id, plan, cap, wait ? wait.number : 0, flags, record, headers);
    } catch (error) {
      request.failed(error);
    }
    return request.promise;
  }

  #pack(request, id, plan, cap, wait, flags, record, headers) {
    packetWriter.begin(Operation.Send);
    packetWriter.writeNumber(this.#native.number);
    packetWriter.writeRequest(request);
    packetWriter.writeNumber(plan);
    packetWriter.writeNumber(cap);
    packetWriter.writeNumber(wait);
    packetWriter.writeNumber(flags);
    packetWriter.writeNumber(record);
    packetWriter.writeString(id);
    if (headers) packetWriter.writeString(headers);
    packetWriter.end();
  }

  /** Tells who watches of a job that is about to be sent. @returns what they are told, and may have added to */
  #announce(job, stream, groups) {
    const message = { producer: this, job, stream, waitFor: groups ?? [], headers: {} };
    diagnostics.channels.send.publish(message);
    return message;
  }

  #plan(stream, route, groups) {
    const key = JSON.stringify([stream, route, groups]);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      if (this.#plans.size === MOST_PLANS) {
        // What was packed refers to plans by number.
        packetWriter.flush();
        this.#plans.clear();
        this.#native.forgetPlans();
      }
      plan = this.#native.plan(stream, route, groups);
      this.#plans.set(key, plan);
    }
    return plan;
  }

  /** From now on completions are handed up for the user's listeners, not only outcomes. */
  #watch() {
    if (this.#watched) return;
    this.#watched = true;
    this.#native.watch();
  }

  /** @internal The bus was stopped, or the producer closed: nothing is reported to it any more. */
  detach() {
    packetReader.producers.delete(this.#native.number);
  }

  /** @internal A completion that it listens to. */
  onCompletion(stream, job, group, data) {
    try {
      const error = data === null ? null : JSON.parse(data);
      if (isAmbiguous(stream)) {
        for (const name of namesOf(stream, this.eventNames())) this.emit(name, error, job, group);
      } else this.emit(stream, error, job, group);
    } catch (error) {
      this.#report(errorCarrier(error, 'A listener threw.', 'LISTENER_ERROR'));
    }
  }

  /** @internal A message on a channel that it listens to, which is no completion. */
  onUnreadable(channel, text) {
    let message = text;
    try {
      message = JSON.parse(text);
      // Other values are somebody else's messages; nothing at all is nobody's.
      if (message !== null) return;
      throw new TypeError('The message is null.');
    } catch (error) {
      error.pubsub = { message, channel };
      this.#report(setErrorKind(error, 'MESSAGE_PARSING'));
    }
  }

  /** @internal The event loop was blocked while more completions came than are kept for it. */
  onEventsDropped(count) {
    const error = new Error(`${count} completions came while the event loop was blocked, and were not kept.`);
    error.count = count;
    this.#report(setErrorKind(error, 'EVENTS_DROPPED'));
  }

  /** @internal Redis refused to have it hear on after a reconnection. */
  onFailure(error) {
    this.#report(error);
  }

  #report(error) {
    try {
      this.emit('error', error);
    } catch {
      // The listener for errors is the last resort; what it throws has nowhere to go and must not stop the bus.
    }
  }
}

class SendRequest extends requests.Request {
  #wait;
  /** The producer's, until it has failed. */
  #counts;
  /** What was told to who watches, if anybody does. */
  #message;

  constructor(job, wait, counts, message) {
    super(job);
    this.#wait = wait;
    this.#counts = counts;
    this.#message = message;
    counts.begun++;
  }

  done() {
    if (this.#counts !== null) {
      this.#counts.sent++;
      if (this.#message !== null) diagnostics.channels.sent.publish(this.#message);
    }
    const [wait, job] = [this.#wait, this.result];
    try {
      if (wait && this.#wait !== null) job.finished = (options) => wait.finished(options, job);
    } catch (error) {
      // Somebody froze the job meanwhile. It must not cost the others whose replies came with it.
      super.failed(error);
    }
    super.done();
  }

  failed(error) {
    this.#wait?.cancel();
    this.#wait = null;
    Reflect.deleteProperty(this.result, 'finished');
    this.#refused(error);
    super.failed(error);
  }

  /** It is told that it is done as well, after it has failed. */
  #refused(error) {
    if (this.#counts === null) return;
    this.#counts.failed++;
    this.#counts = null;
    if (this.#message !== null) diagnostics.channels.sent.publish(Object.assign(this.#message, { error }));
  }
}

function jobId(job) {
  if (typeof job !== 'object' || job === null || job.id === undefined || job.id === null) {
    throw new TypeError('job must be a Job');
  }
  return checks.text('job.id', job.id);
}

/** Where the entry goes: by default with its stream; `null` is with the job's id. */
function routeOf(route, stream) {
  if (route === DISTRIBUTED_ROUTING) return null;
  if (!route) return stream;
  return typeof route === 'symbol' ? String(route) : checks.name('route', route);
}

/** The groups to wait for, each once; none is asked for by null, undefined and false. */
function groupsOf(waitFor) {
  if (waitFor === undefined || waitFor === null || waitFor === false) return null;
  if (!Array.isArray(waitFor) || waitFor.some((group) => typeof group !== 'string')) {
    throw new TypeError('waitFor must be an array of strings');
  }
  return [...new Set(waitFor)];
}

/** About how long the stream may become; 0 for any length. */
function length(capped) {
  if (!capped) return 0;
  const most = checks.toNumber('capped', capped);
  if (!Number.isSafeInteger(most) || most < 0) throw new RangeError('capped must be a whole number from 0 on');
  return most;
}

/** For how many ms an outcome is kept for who waits; 0 if it is not. */
function recordTime(durable) {
  if (durable === undefined || durable === null || durable === false) return 0;
  if (durable === true) return RECORD_TIME;
  if (typeof durable !== 'object') throw new TypeError('durable must be a boolean or an object');
  const ttl = checks.count('durable.ttl', durable.ttl, { least: 1, fallback: RECORD_TIME });
  if (!Number.isSafeInteger(ttl)) throw new RangeError('durable.ttl must be a whole number from 1 on');
  return ttl;
}

disposable(Producer, 'close');

module.exports = { Producer };
