'use strict';

const native = require('./native.js');
const { NativeFacade, Report, ValueKind } = native;
const { hearsRuns } = require('../support/diagnostics.js');
const { engineError } = require('../support/errors.js');
const keepAlive = require('./process-ref.js');
const requests = require('./pending-requests.js');
const waits = require('./wait-registry.js');

/**
 * Who answers for a node, by the engine's number. Weakly: a job that was made long ago may lead to questions after
 * `stop()`, and a manager that nobody holds any more leads to none.
 * @type {Map<number, WeakRef<import('../api/node-callbacks.js').NodeCallbacks>>}
 */
const nodes = new Map();
/** Others who are to hear of reports, while something can be reported to them. */
const clients = new Map();
const producers = new Map();
const consumers = new Map();

const EMPTY = Buffer.alloc(0);
/** Of a packet that `collect()` has returned whole. */
const NOTHING = {};
/** How many numbers `collect()` writes before those of the packet. */
const HEADER = 2;

const inbox = new Float64Array(8192);

/** The packet that is being read. */
let numbers = inbox;
let at = 0;
let text = '';
let textAt = 0;
let bytes = null;
let blobs = null;
/** What the packet said of its last error. */
let lastError = null;

function number() {
  return numbers[at++];
}

function string() {
  const start = textAt;
  textAt += number();
  return text.slice(start, textAt);
}

/** A string, or null for a negative length. */
function optional() {
  if (numbers[at] >= 0) return string();
  at++;
  return null;
}

/** An error of its own each time, though many in a row have the same reason, which is written once then. */
function error() {
  if (numbers[at] < 0) at++;
  else lastError = reason();
  return engineError(lastError);
}

/** What the packet says of an error, and of what led to it. */
function reason() {
  const said = { kind: string(), code: optional(), message: string(), command: optional(), node: string() };
  return number() === 1 ? { ...said, cause: reason() } : said;
}

function value() {
  switch (number()) {
    case ValueKind.Nil:
      return null;
    case ValueKind.Integer:
      return number();
    case ValueKind.Bytes: {
      const start = number();
      return bytes.subarray(start, start + number());
    }
    case ValueKind.Blob:
      return blobs[number()];
    case ValueKind.Array:
      return Array.from({ length: number() }, value);
    case ValueKind.Error: {
      const message = string();
      return engineError({ kind: 'reply', code: message.split(' ', 1)[0], message });
    }
    case ValueKind.Large:
      return BigInt(string());
    default:
      return string();
  }
}

/** An entry that was pending. */
function found() {
  const [idleTime, deliveryCount, id, consumerId] = [number(), number(), string(), string()];
  const [stream, prd, job] = [string(), string(), string()];
  return { id, consumerId, idleTime, deliveryCount, stream, data: { prd, job } };
}

/** What each report does. A reader takes everything that belongs to its report before it calls anybody. */
const READERS = [];
READERS[Report.Done] = () => requests.done(number());
READERS[Report.Failed] = () => {
  const request = requests.get(number());
  request.failed(error());
};
READERS[Report.Missing] = () => {
  const request = requests.get(number());
  request.value(number(), null);
};
READERS[Report.Bytes] = () => {
  const request = requests.get(number());
  const index = number();
  const start = number();
  request.value(index, bytes.subarray(start, start + number()));
};
READERS[Report.Blob] = () => {
  const request = requests.get(number());
  const index = number();
  request.value(index, blobs[number()]);
};
READERS[Report.Text] = () => {
  const request = requests.get(number());
  const index = number();
  request.value(index, string());
};
READERS[Report.Called] = () => {
  const request = requests.get(number());
  const index = number();
  request.called(index, null, value());
};
READERS[Report.CallFailed] = () => {
  const request = requests.get(number());
  const index = number();
  request.called(index, error(), undefined);
};
READERS[Report.Outcome] = () => {
  const wait = waits.take(number());
  const arrivals = Array.from({ length: number() }, () => ({ at: number(), group: string(), error: optional() }));
  wait?.settle(arrivals);
};
READERS[Report.Abandoned] = () => waits.take(number())?.abandon();
READERS[Report.Heard] = () => {
  const producer = producers.get(number());
  const [stream, job, group, data] = [string(), string(), string(), optional()];
  producer?.heard(stream, job, group, data);
};
READERS[Report.Unreadable] = () => {
  const producer = producers.get(number());
  const [channel, message] = [string(), string()];
  producer?.unreadable(channel, message);
};
READERS[Report.ProducerFailed] = () => {
  const producer = producers.get(number());
  const reason = error();
  producer?.failed(reason);
};
READERS[Report.EventsDropped] = () => {
  const producer = producers.get(number());
  const count = number();
  producer?.dropped(count);
};
READERS[Report.Prefetched] = () => {
  const consumer = consumers.get(number());
  const [token, key, payload] = [number(), string(), value()];
  consumer?.prefetched(token, key, payload);
};
READERS[Report.Headers] = () => {
  const consumer = consumers.get(number());
  const [token, headers] = [number(), string()];
  if (hearsRuns()) consumer?.carried(token, headers);
};
READERS[Report.Jobs] = () => {
  const consumer = consumers.get(number());
  const stream = number();
  const isTold = hearsRuns();
  for (let left = number(); left > 0; left--) {
    const token = number();
    const id = string();
    consumer?.start(stream, token, id, isTold);
  }
};
READERS[Report.ConsumerFailed] = () => {
  const consumer = consumers.get(number());
  const [failure, token, reason] = [number(), number(), error()];
  consumer?.failed(failure, token, reason);
};
READERS[Report.DeadlinePassed] = () => {
  const consumer = consumers.get(number());
  const token = number();
  consumer?.expired(token);
};
READERS[Report.Drained] = () => consumers.get(number())?.drained();
READERS[Report.Claimed] = () => {
  const consumer = consumers.get(number());
  const entry = found();
  consumer?.claimed(entry);
};
READERS[Report.Exhausted] = () => {
  const consumer = consumers.get(number());
  const moved = number() === 1;
  const entry = found();
  consumer?.exhausted(entry, moved);
};
READERS[Report.Trimmed] = () => {
  const consumer = consumers.get(number());
  const [stream, count, pending] = [number(), number(), number() === 1];
  consumer?.trimmed(stream, count, pending);
};
READERS[Report.Removed] = () => {
  const consumer = consumers.get(number());
  const stream = number();
  const names = Array.from({ length: number() }, string);
  consumer?.removed(stream, names);
};
READERS[Report.RetryAsked] = () => {
  const node = nodes.get(number())?.deref();
  const [question, retry, attempt] = [number(), number(), number()];
  node?.askRetry(question, retry, attempt);
};
READERS[Report.ReconnectAsked] = () => {
  const node = nodes.get(number())?.deref();
  const [question, reason] = [number(), error()];
  node?.askReconnect(question, reason);
};
READERS[Report.LinkChanged] = () => {
  const client = clients.get(number());
  const state = string();
  const reason = number() === 1 ? error() : null;
  client?.changed(state, reason);
};
READERS[Report.NodeChanged] = () => {
  const node = nodes.get(number())?.deref();
  const [state, place] = [string(), string()];
  const cause = number() === 1 ? error() : undefined;
  node?.linkChanged(state, { node: place, ...(cause && { error: cause }) });
};
READERS[Report.RingChanged] = () => {
  const node = nodes.get(number())?.deref();
  const [isOut, failures, port, place, reason] = [number() === 1, number(), number(), string(), error()];
  const address = port < 0 ? { path: place } : { host: place, port };
  node?.ringChanged(isOut, { ...address, failures, error: reason });
};
READERS[Report.LinksChanged] = () => keepAlive.links(engine.openLinks());

/**
 * Called once per burst. What users do in their callbacks is guarded where they are called, so a burst is always
 * read to its end.
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
  while (at < end) READERS[number()]();
  text = '';
  bytes = null;
  blobs = null;
}

/**
 * Whether the engine's work is done on this thread's event loop while there is little of it, which saves waking a thread
 * for each reply. Others than Node have a loop of another kind behind the same names.
 */
function borrows() {
  const { bun, deno } = process.versions;
  return process.env.HFXBUS_ENGINE !== 'thread' && bun === undefined && deno === undefined;
}

/** This copy's part of the engine. Another copy of this file in the same thread has its own. */
const engine = new NativeFacade(drain, borrows());
keepAlive.holds(drain);

module.exports = { engine, nodes, clients, producers, consumers };
