'use strict';

const { Cache } = require('./cache.js');
const { HttpError } = require('./http-error.js');
const { Limiter } = require('./limiter.js');
const { overview } = require('./views/overview.js');
const { entry } = require('./views/entry.js');
const { find } = require('./views/find.js');
const { job } = require('./views/job.js');
const { letter, letters, letterStreams } = require('./views/letters.js');
const { payload } = require('./views/payload.js');
const { group } = require('./views/group.js');
const { nodes, stream } = require('./views/stream.js');

/** Pages from the memory of the poller. */
const POLLED = { overview, stream, group, nodes, find, 'letter-streams': letterStreams };

/** Names of all parameters. Others are dropped, so that they lead to no second result. */
const PARAMETERS = [
  ...['bus', 'stream', 'partitions', 'group', 'id', 'node', 'job', 'key', 'entry', 'in', 'deep'],
  ...['q', 'state', 'sort', 'from', 'text', 'count'],
];

/** Number of searches in Redis at the same time. */
const SEARCHES = 2;

/** Data of the pages. Readers of the same page share its result. */
class Pages {
  #poller;
  #buses;
  #options;
  #polled = new Map();
  #round = -1;
  #searched = new Cache({ ttl: 2000, most: 100 });
  #limiter = new Limiter(SEARCHES);

  constructor(poller, buses, options) {
    this.#poller = poller;
    this.#buses = buses;
    this.#options = options;
  }

  /** Returns the known parameters of a query, in their order. */
  static query(search) {
    const given = new URLSearchParams(search);
    return new URLSearchParams(PARAMETERS.filter((name) => given.has(name)).map((name) => [name, given.get(name)]));
  }

  /** Returns true for a page that follows the poller. */
  isPolled(name) {
    return Object.hasOwn(POLLED, name);
  }

  /** Resolves with the JSON of a page. */
  async read(name, query) {
    const stream = query.get('stream') ?? undefined;
    await this.#poller.look(Number(query.get('bus') ?? 0), stream);
    if (stream !== undefined) await this.#provide(this.busOf(query), stream, query.has('partitions'));
    return this.isPolled(name) ? this.polled(name, query) : this.#search(name, query);
  }

  /** Reads a stream that the search has not found yet, such as a new one. */
  async #provide(bus, stream, isPartitioned) {
    if (bus.partsOf(stream, isPartitioned).length > 0) return;
    await this.#searched.get(JSON.stringify([bus.name, stream]), () => bus.provide(stream));
    if (bus.partsOf(stream).length > 0) this.#polled.clear();
  }

  /** Returns the JSON of a page that follows the poller, which is made once after each poll. */
  polled(name, query) {
    if (this.#round !== this.#poller.round) {
      this.#polled.clear();
      this.#round = this.#poller.round;
    }
    const id = `${name}?${query}`;
    if (!this.#polled.has(id)) {
      if (this.#polled.size > 200) this.#polled.clear();
      this.#polled.set(id, this.#json(POLLED[name]({ buses: this.#buses, busOf: (q) => this.busOf(q) }, query)));
    }
    return this.#polled.get(id);
  }

  /** Forgets results, after an action. */
  forget() {
    this.#searched.clear();
    this.#polled.clear();
  }

  busOf(query) {
    const bus = this.#buses[Number(query.get('bus') ?? 0)];
    if (bus === undefined) throw new HttpError(404, 'There is no such bus.');
    return bus;
  }

  #search(name, query) {
    const act = this.#searches(name, query);
    return this.#searched.get(`${name}?${query}`, () => this.#limiter.run(async () => this.#json(await act())));
  }

  /** Returns the function that reads a page from Redis. */
  #searches(name, query) {
    const text = (key) => query.get(key) ?? '';
    const bus = this.busOf(query);
    switch (name) {
      case 'job':
        return () => job(bus, text('id'), { isDeep: text('deep') === '1', stream: text('in') });
      case 'letters': {
        const filter = { from: text('from'), group: text('group'), text: text('text') };
        return () => letters(bus, text('stream'), filter, { isCounted: text('count') === '1' });
      }
      case 'letter':
        return () => letter(bus, text('stream'), { node: Number(text('node')), id: text('id') });
      case 'entry':
        return () => entry(bus, text('stream'), text('id'));
      case 'payload':
        if (!this.#options.hasPayloads) throw new HttpError(403, 'Payloads are hidden: see the option payloads.');
        return () => payload(bus, query);
      default:
        throw new HttpError(404, 'There is no such page.');
    }
  }

  #json(data) {
    const { hasActions, hasPayloads, interval } = this.#options;
    const polled = this.#buses.map(({ polledAt }) => polledAt ?? 0);
    const down = this.#buses.flatMap(({ servers }) => servers.all).filter(({ isUp }) => !isUp).length;
    const about = { down, hasActions, hasPayloads, interval, buses: this.#buses.map(({ name }) => name) };
    return JSON.stringify({ time: Date.now(), polledAt: Math.min(...polled), about, data });
  }
}

module.exports = { Pages };
