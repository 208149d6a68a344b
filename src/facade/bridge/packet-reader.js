'use strict';

const native = require('./native.js');
const { NativeFacade, Report, ValueKind } = native;
const { hasRunSubscribers } = require('../support/diagnostics.js');
const { engineError } = require('../support/errors.js');
const processRef = require('./process-ref.js');
const requests = require('./pending-requests.js');
const { readReturns } = require('./returned-keys.js');
const waits = require('./wait-registry.js');

/**
 * Callbacks of each node, by the engine's number. The references are weak: an old job can cause a question after `stop()`, but
 * a manager without references must be collected.
 * @type {Map<number, WeakRef<import('../api/node-callbacks.js').NodeCallbacks>>}
 */
const nodes = new Map();
/** Receivers of reports by the engine's number, until they detach. Channels of results have numbers of producers. */
const clients = new Map();
const producers = new Map();
const consumers = new Map();

const EMPTY = Buffer.alloc(0);
const NO_PAIRS = [];
/** Rest of a packet that `collect()` has returned completely. */
const NOTHING = {};
/** Count of numbers that `collect()` writes before those of the packet. */
const HEADER = 2;

const inbox = new Float64Array(8192);

/** Packet that is being read. */
let numbers = inbox;
let at = 0;
let text = '';
let textAt = 0;
let bytes = null;
let blobs = null;
/** Last error of the packet. */
let lastError = null;

function readNumber() {
  return numbers[at++];
}

function readString() {
  const start = textAt;
  textAt += readNumber();
  return text.slice(start, textAt);
}

/** Reads a string, or null for a negative length. */
function readOptionalString() {
  if (numbers[at] >= 0) return readString();
  at++;
  return null;
}

/** Reads an error. A negative number repeats the last one, which the packet contains once. Each call returns a new object. */
function readError() {
  if (numbers[at] < 0) at++;
  else lastError = readReason();
  return engineError(lastError);
}

/** Reads the properties of an error, and of its cause. */
function readReason() {
  const properties = {
    kind: readString(),
    code: readOptionalString(),
    message: readString(),
    command: readOptionalString(),
    node: readString(),
  };
  return readNumber() === 1 ? { ...properties, cause: readReason() } : properties;
}

function readValue() {
  switch (readNumber()) {
    case ValueKind.Nil:
      return null;
    case ValueKind.Integer:
      return readNumber();
    case ValueKind.Bytes: {
      const start = readNumber();
      return bytes.subarray(start, start + readNumber());
    }
    case ValueKind.Blob:
      return blobs[readNumber()];
    case ValueKind.Array:
      return Array.from({ length: readNumber() }, readValue);
    case ValueKind.Error: {
      const message = readString();
      return engineError({ kind: 'reply', code: message.split(' ', 1)[0], message });
    }
    case ValueKind.Large:
      return BigInt(readString());
    default:
      return readString();
  }
}

/** Reads an entry that was pending. */
function readEntry() {
  const [idleTime, deliveryCount, id, consumerId] = [readNumber(), readNumber(), readString(), readString()];
  const [stream, prd, job] = [readString(), readString(), readString()];
  return { id, consumerId, idleTime, deliveryCount, stream, data: { prd, job } };
}

/** Reads payload keys with their values; `null` if they are not known. */
function readAnswer() {
  const count = readNumber();
  return count < 0 ? null : readPairs(count);
}

function readPairs(count) {
  if (count === 0) return NO_PAIRS;
  const pairs = [];
  for (let left = count; left > 0; left--) pairs.push([readString(), readValue()]);
  return pairs;
}

/** Readers by report. A reader must consume its whole report before it calls a handler. */
const REPORT_READERS = [];
REPORT_READERS[Report.Done] = () => requests.done(readNumber());
REPORT_READERS[Report.Failed] = () => {
  const request = requests.get(readNumber());
  request.failed(readError());
};
REPORT_READERS[Report.Missing] = () => {
  const request = requests.get(readNumber());
  request.value(readNumber(), null);
};
REPORT_READERS[Report.Bytes] = () => {
  const request = requests.get(readNumber());
  const index = readNumber();
  const start = readNumber();
  request.value(index, bytes.subarray(start, start + readNumber()));
};
REPORT_READERS[Report.Blob] = () => {
  const request = requests.get(readNumber());
  const index = readNumber();
  request.value(index, blobs[readNumber()]);
};
REPORT_READERS[Report.Text] = () => {
  const request = requests.get(readNumber());
  const index = readNumber();
  request.value(index, readString());
};
REPORT_READERS[Report.Called] = () => {
  const request = requests.get(readNumber());
  const index = readNumber();
  request.called(index, null, readValue());
};
REPORT_READERS[Report.CallFailed] = () => {
  const request = requests.get(readNumber());
  const index = readNumber();
  request.called(index, readError(), undefined);
};
REPORT_READERS[Report.Outcome] = () => {
  const wait = waits.take(readNumber());
  const arrivals = [];
  for (let left = readNumber(); left > 0; left--) {
    arrivals.push({ at: readNumber(), group: readString(), error: readOptionalString(), answer: readAnswer() });
  }
  wait?.settle(arrivals);
};
REPORT_READERS[Report.Abandoned] = () => waits.take(readNumber())?.abandon();
REPORT_READERS[Report.Heard] = () => {
  const producer = producers.get(readNumber());
  const [stream, job, group, data] = [readString(), readString(), readString(), readOptionalString()];
  producer?.onCompletion(stream, job, group, data);
};
REPORT_READERS[Report.Unreadable] = () => {
  const producer = producers.get(readNumber());
  const [channel, message] = [readString(), readString()];
  producer?.onUnreadable(channel, message);
};
REPORT_READERS[Report.ProducerFailed] = () => {
  const producer = producers.get(readNumber());
  const reason = readError();
  producer?.onFailure(reason);
};
REPORT_READERS[Report.EventsDropped] = () => {
  const producer = producers.get(readNumber());
  const count = readNumber();
  producer?.onEventsDropped(count);
};
REPORT_READERS[Report.ChunksPublished] = () => {
  const channels = producers.get(readNumber());
  const [channel, message] = [readString(), readValue()];
  channels?.onChunks(channel, message);
};
REPORT_READERS[Report.ChunksMissed] = () => {
  const channels = producers.get(readNumber());
  const node = readNumber();
  channels?.onChunksMissed(node);
};
REPORT_READERS[Report.Prefetched] = () => {
  const consumer = consumers.get(readNumber());
  const [token, key, payload] = [readNumber(), readString(), readValue()];
  consumer?.onPrefetched(token, key, payload);
};
REPORT_READERS[Report.Carried] = () => {
  const consumer = consumers.get(readNumber());
  const [token, flags, returns] = [readNumber(), readNumber(), readOptionalString()];
  const key = (flags & 2) === 0 ? null : readString();
  const values = readPairs(readNumber());
  consumer?.onCarried(token, { values, returns: readReturns(returns), isOnlyCopy: (flags & 1) === 1, key });
};
REPORT_READERS[Report.Headers] = () => {
  const consumer = consumers.get(readNumber());
  const [token, headers] = [readNumber(), readString()];
  consumer?.onHeaders(token, headers, hasRunSubscribers());
};
REPORT_READERS[Report.Jobs] = () => {
  const consumer = consumers.get(readNumber());
  const stream = readNumber();
  const hasSubscribers = hasRunSubscribers();
  for (let left = readNumber(); left > 0; left--) {
    const token = readNumber();
    const id = readString();
    consumer?.onJob(stream, token, id, hasSubscribers);
  }
};
REPORT_READERS[Report.ConsumerFailed] = () => {
  const consumer = consumers.get(readNumber());
  const [failure, token, reason] = [readNumber(), readNumber(), readError()];
  consumer?.onFailure(failure, token, reason);
};
REPORT_READERS[Report.DeadlinePassed] = () => {
  const consumer = consumers.get(readNumber());
  const token = readNumber();
  consumer?.onDeadline(token);
};
REPORT_READERS[Report.Owned] = () => {
  const consumer = consumers.get(readNumber());
  const [stream, fence] = [readNumber(), readNumber()];
  consumer?.onOwned(stream, fence);
};
REPORT_READERS[Report.Drained] = () => consumers.get(readNumber())?.onDrained();
REPORT_READERS[Report.Claimed] = () => {
  const consumer = consumers.get(readNumber());
  const entry = readEntry();
  consumer?.onClaimed(entry);
};
REPORT_READERS[Report.Exhausted] = () => {
  const consumer = consumers.get(readNumber());
  const moved = readNumber() === 1;
  const entry = readEntry();
  consumer?.onExhausted(entry, moved);
};
REPORT_READERS[Report.Trimmed] = () => {
  const consumer = consumers.get(readNumber());
  const [stream, count, pending] = [readNumber(), readNumber(), readNumber() === 1];
  consumer?.onTrimmed(stream, count, pending);
};
REPORT_READERS[Report.Removed] = () => {
  const consumer = consumers.get(readNumber());
  const stream = readNumber();
  const names = Array.from({ length: readNumber() }, readString);
  consumer?.onConsumersRemoved(stream, names);
};
REPORT_READERS[Report.RetryAsked] = () => {
  const node = nodes.get(readNumber())?.deref();
  const [question, retry, attempt] = [readNumber(), readNumber(), readNumber()];
  node?.askRetry(question, retry, attempt);
};
REPORT_READERS[Report.ReconnectAsked] = () => {
  const node = nodes.get(readNumber())?.deref();
  const [question, reason] = [readNumber(), readError()];
  node?.askReconnect(question, reason);
};
REPORT_READERS[Report.LinkChanged] = () => {
  const client = clients.get(readNumber());
  const state = readString();
  const reason = readNumber() === 1 ? readError() : null;
  client?.onStateChange(state, reason);
};
REPORT_READERS[Report.NodeChanged] = () => {
  const node = nodes.get(readNumber())?.deref();
  const [state, place] = [readString(), readString()];
  const cause = readNumber() === 1 ? readError() : undefined;
  node?.linkChanged(state, { node: place, ...(cause && { error: cause }) });
};
REPORT_READERS[Report.RingChanged] = () => {
  const node = nodes.get(readNumber())?.deref();
  const [isOut, failures, port, place, reason] = [
    readNumber() === 1,
    readNumber(),
    readNumber(),
    readString(),
    readError(),
  ];
  const address = port < 0 ? { path: place } : { host: place, port };
  node?.ringChanged(isOut, { ...address, failures, error: reason });
};
REPORT_READERS[Report.LinksChanged] = () => processRef.setOpenLinks(engine.openLinks());

/**
 * Reads all reports of a burst. Callbacks of users are guarded at their calls, so that a burst is always read to its end.
 */
function drain() {
  text = engine.collect(inbox);
  textAt = 0;
  const [count, hasRest] = [inbox[0], inbox[1]];
  const rest = hasRest === 1 ? engine.collectRest(inbox.length) : NOTHING;
  numbers = rest.numbers ?? inbox;
  at = rest.numbers ? 0 : HEADER;
  bytes = rest.bytes ?? EMPTY;
  blobs = rest.blobs;
  const end = at + count;
  while (at < end) REPORT_READERS[readNumber()]();
  text = '';
  bytes = null;
  blobs = null;
}

/**
 * Returns true if the event loop of this thread can drive the engine while little is in flight, which saves waking a thread for
 * each reply. Bun and Deno have a different event loop.
 */
function borrows() {
  const { bun, deno } = process.versions;
  return process.env.HFXBUS_ENGINE !== 'thread' && bun === undefined && deno === undefined;
}

/** Engine of this facade. Another facade in the same thread has its own. */
const engine = new NativeFacade(drain, borrows());
processRef.hold(drain);

module.exports = { engine, nodes, clients, producers, consumers };
