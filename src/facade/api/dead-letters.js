'use strict';

const checks = require('../options/validate.js');
const { isEntryId, successor } = require('../redis/entry-ids.js');

/** The name of the connections that dead letters are looked through on. */
const CLIENT = 'dead-letters';

/** Looks through what consumers gave up, as their option `deadLetter` has them keep it. */
class DeadLetters {
  #connection;
  #stream;

  /**
   * @param {import('./connection-manager.js').ConnectionManager} connection
   * @param {string} stream the stream that `deadLetter` names
   */
  constructor(connection, stream) {
    if (typeof connection?.nativeBus !== 'function') throw new TypeError('connection must be a ConnectionManager');
    this.#connection = connection;
    this.#stream = checks.name('stream', stream);
  }

  /** The oldest letters, of every node, at most `count` of each; `after` is the letter behind which to go on. */
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
          return entries.map(([id, fields]) => letter(node, id, fields));
        }),
    );
    return perNode.flat().slice(0, most);
  }

  /** Sends a letter's job to its stream again, where every group gets it, and takes the letter away. */
  async replay(given) {
    const { id, node, stream, jobId, producerId } = asLetter('letter', given);
    if (!stream || !jobId) throw new TypeError('letter must say of which job and stream it is');
    const { client, key } = this.#node(node);
    const target = this.#connection.nativeBus().streamKey(node, stream);
    const sent = await client.call('xadd', target, '*', 'prd', producerId, 'job', jobId);
    // Last: a letter that is sent twice does less harm than one that is not sent at all.
    await client.call('xdel', key, id);
    return sent;
  }

  /** Takes a letter away. Its job's payload stays. @returns {Promise<boolean>} whether it was there */
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

/** What is said of a letter; `prd` and `job` are as in any entry. */
function letter(node, id, fields) {
  const said = new Map();
  for (let at = 0; at < fields.length; at += 2) said.set(fields[at], fields[at + 1]);
  return {
    id,
    node,
    jobId: said.get('job') ?? '',
    producerId: said.get('prd') ?? '',
    stream: said.get('str') ?? '',
    entryId: said.get('eid') ?? '',
    group: said.get('grp') ?? '',
    deliveries: Number(said.get('dlv') ?? 0),
    reason: said.get('rsn') ?? '',
    error: readError(said.get('err')),
  };
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
  if (!isLetter) throw new TypeError(`${name} must be a letter of list()`);
  return given;
}

module.exports = { DeadLetters };
