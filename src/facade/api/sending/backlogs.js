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
   * Admits sends that leave together.
   * @param {Array<{ name: string, leadsBy: string | null, id: string }>} entries
   * @returns {Promise<void> | null} `null` if they can leave now. The promise rejects with `BACKLOG_FULL`
   */
  admit(entries) {
    const counts = new Map();
    for (const entry of entries) {
      const stream = this.#of(entry);
      counts.set(stream, (counts.get(stream) ?? 0) + 1);
    }
    const waits = [...counts].map(([stream, count]) => stream.admit(count)).filter((wait) => wait !== null);
    return waits.length === 0 ? null : Promise.all(waits).then(() => {});
  }

  #of({ name, leadsBy, id }) {
    const node = this.#bus.route(leadsBy ?? id);
    const place = `${node}:${name}`;
    let stream = this.#streams.get(place);
    if (stream === undefined) {
      if (this.#streams.size >= MOST_STREAMS) this.#streams.clear();
      const of = { key: this.#bus.streamKey(node, name), name, prefix: this.#prefix };
      stream = new StreamBacklog(this.#bus.number + node, of, this.#limit);
      this.#streams.set(place, stream);
    }
    return stream;
  }
}

module.exports = { Backlogs };
