'use strict';

/** Results for a short time, so that many readers cost as much as one. A search that runs is shared too. */
class Cache {
  #entries = new Map();
  #most;
  #ttl;

  /** @param {{ ttl: number, most: number }} options time in ms, and maximum number of results */
  constructor({ ttl, most }) {
    this.#ttl = ttl;
    this.#most = most;
  }

  /** Resolves with the result of `make`, or with an earlier one of the same name. A failure is not kept. */
  async get(name, make) {
    const known = this.#entries.get(name);
    if (known && (known.until === null || known.until > performance.now())) return known.result;
    const entry = { result: make(), until: null };
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (this.#entries.size > this.#most) this.#entries.delete(this.#entries.keys().next().value);
    try {
      const result = await entry.result;
      entry.until = performance.now() + this.#ttl;
      return result;
    } catch (error) {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      throw error;
    }
  }

  clear() {
    this.#entries.clear();
  }
}

module.exports = { Cache };
