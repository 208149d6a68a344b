'use strict';

const { StreamBacklog } = require('./stream-backlog.js');

/** Maximum number of streams whose backlog is known. */
const MOST_STREAMS = 1000;

/** Backlogs of the streams that a producer sends to, with `backlogLimit`. */
class Backlogs {
  #bus;
  #limit;
  #prefix;
  #streams = new Map();

  /** @param {import('../connection-manager.js').ConnectionManager} connection */
  constructor(connection) {
    this.#bus = connection.nativeBus();
    this.#limit = connection.retention.backlogLimit;
    this.#prefix = `${connection.getKeyPrefix()}:csr:`;
  }

  /**
   * Admits sends that leave together. Each entry gets its backlog, which is to be told of what becomes of the entry.
   * @param {Array<{ name: string, leadsBy: string | null, id: string, backlog: StreamBacklog | null }>} entries
   * @returns {Promise<void> | null} `null` if they can leave now. The promise rejects with `BACKLOG_FULL`
   */
  admit(entries) {
    const counts = new Map();
    const streams = entries.map((entry) => this.#of(entry));
    for (const [at, stream] of streams.entries()) {
      counts.set(stream, (counts.get(stream) ?? 0) + 1);
      entries[at].backlog = stream;
    }
    const waits = [...counts].map(([stream, count]) => stream.admit(count));
    return waits.every((wait) => wait === null) ? null : allAdmitted(entries, [...counts], waits);
  }

  #of({ name, leadsBy, id }) {
    const node = this.#bus.route(leadsBy ?? id);
    const place = `${node}:${name}`;
    let stream = this.#streams.get(place);
    if (stream === undefined) {
      if (this.#streams.size >= MOST_STREAMS) this.#forget();
      const of = { key: this.#bus.streamKey(node, name), name, prefix: this.#prefix };
      stream = new StreamBacklog(this.#bus.number + node, of, this.#limit);
      this.#streams.set(place, stream);
    }
    return stream;
  }

  #forget() {
    for (const [place, stream] of this.#streams) if (!stream.isAwaited) this.#streams.delete(place);
  }
}

/** Resolves once all streams have admitted their sends. After a refusal no stream has. */
async function allAdmitted(entries, counts, waits) {
  const results = await Promise.allSettled(waits);
  const refused = results.find(({ status }) => status === 'rejected');
  if (refused === undefined) return;
  for (const [at, [stream, count]] of counts.entries()) {
    if (results[at].status === 'fulfilled') stream.withdraw(count);
  }
  for (const entry of entries) entry.backlog = null;
  throw refused.reason;
}

/** Notes that an entry was packed. */
function packed(entry) {
  if (entry.backlog === null) return;
  entry.backlog.packed();
  entry.backlog = null;
}

/** Takes the admission of an entry back that is not packed. */
function withdraw(entry) {
  if (entry.backlog === null) return;
  entry.backlog.withdraw(1);
  entry.backlog = null;
}

module.exports = { Backlogs, packed, withdraw };
