'use strict';

const checks = require('../options/validate.js');
const { isEntryId, successor } = require('../redis/entry-ids.js');

/** Name of the connections for dead letters. */
const CLIENT = 'dead-letters';
/** Prefix of the fields with the payload that an entry carries. A payload key follows. */
const VALUE_PREFIX = 'val:';
/** Other fields that a replay takes over: the mark of the only copy, the key and the headers. */
const KEPT = ['own', 'key', 'hdr'];

/** Dead letters of a stream, which consumers with the option `deadLetter` have written. */
class DeadLetters {
  #connection;
  #stream;

  /**
   * @param {import('./connection-manager.js').ConnectionManager} connection
   * @param {string} stream value of the option `deadLetter`
   */
  constructor(connection, stream) {
    if (typeof connection?.nativeBus !== 'function') throw new TypeError('connection must be a ConnectionManager');
    this.#connection = connection;
    this.#stream = checks.name('stream', stream);
  }

  /** Lists the oldest letters of all nodes, at most `count`. `after` is the last letter of the previous page. */
  async list({ count, after } = {}) {
    const most = checks.count('count', count, { least: 1, fallback: 100 });
    const behind = after === undefined ? undefined : asLetter('after', after);
    const perNode = await Promise.all(
      this.#nodes()
        .filter(({ node }) => behind === undefined || node >= behind.node)
        .map(async ({ client, key, node }) => {
          const from = behind?.node === node ? successor(behind.id) : '-';
          if (from === null) return [];
          const entries = await client.call('xrange', key, from, '+', 'COUNT', most);
          return entries.map(([id, fields]) => letterOf(node, id, fields));
        }),
    );
    return perNode.flat().slice(0, most);
  }

  /** Sends a letter's job to its stream again, for every group, with what the letter carries, and deletes the letter. */
  async replay(given) {
    const { id, node, stream, jobId, producerId } = asLetter('letter', given);
    if (!stream || !jobId) throw new TypeError('letter must have a jobId and a stream');
    const { client, key } = this.#node(node);
    const target = this.#connection.nativeBus().streamKey(node, stream);
    const [entry] = await client.callBuffer('xrange', key, id, id);
    // Without its values the job could not run.
    if (entry === undefined) throw new RangeError('letter does not exist: it was replayed, dropped or trimmed');
    const sent = await client.call('xadd', target, '*', 'prd', producerId, 'job', jobId, ...keptFields(entry[1]));
    // The deletion comes last: a job sent twice does less harm than a lost one.
    await client.call('xdel', key, id);
    return sent;
  }

  /** Deletes a letter. Its job's payload stays. @returns {Promise<boolean>} true if the letter existed */
  async drop(given) {
    const { id, node } = asLetter('letter', given);
    const { client, key } = this.#node(node);
    return (await client.call('xdel', key, id)) === 1;
  }

  #node(node) {
    const nodes = this.#nodes();
    if (!(node in nodes)) throw new RangeError(`letter.node must be a whole number from 0 to ${nodes.length - 1}`);
    return nodes[node];
  }

  #nodes() {
    const native = this.#connection.nativeBus();
    const clients = this.#connection.getClients(CLIENT);
    return clients.map((client, node) => ({ client, node, key: native.streamKey(node, this.#stream) }));
  }
}

/** Converts an entry into a letter. `prd` and `job` are the fields of any entry. */
function letterOf(node, id, fields) {
  const values = new Map();
  for (let at = 0; at < fields.length; at += 2) values.set(fields[at], fields[at + 1]);
  return {
    id,
    node,
    jobId: values.get('job') ?? '',
    producerId: values.get('prd') ?? '',
    stream: values.get('str') ?? '',
    entryId: values.get('eid') ?? '',
    group: values.get('grp') ?? '',
    deliveries: Number(values.get('dlv') ?? 0),
    reason: values.get('rsn') ?? '',
    error: readError(values.get('err')),
  };
}

/** Returns the fields that a replay takes over, with their values. The values can be binary. */
function keptFields(fields) {
  const isKept = (name) => KEPT.includes(name) || name.startsWith(VALUE_PREFIX);
  return fields.filter((_, at) => isKept(fields[at - (at % 2)].toString()));
}

function readError(text) {
  if (text === undefined) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function asLetter(name, given) {
  const { id, node } = checks.object(name, given);
  const isLetter = typeof id === 'string' && isEntryId(id) && Number.isInteger(node);
  if (!isLetter) throw new TypeError(`${name} must be a letter from list()`);
  return given;
}

module.exports = { DeadLetters, letterOf };
