'use strict';

const { Job } = require('../job.js');
const { Delivery } = require('../payload/delivery.js');
const { put } = require('../payload/payload-values.js');

/** Prefix of the field of a carried value. The payload key follows. */
const VALUE_PREFIX = 'val:';
/** Field that marks the entry as the only copy of its values. */
const ONLY_COPY = 'own';

/** Entry of a history. */
class HistoryEntry {
  #client;
  /** Names and values of the fields. */
  #fields;
  #job = null;
  #values = null;

  /**
   * @param {object} client shared connection of the bus, for payload keys
   * @param {string} stream
   * @param {[string, Buffer[]]} entry id and fields
   */
  constructor(client, stream, [id, fields]) {
    this.id = id;
    this.stream = stream;
    this.#client = client;
    this.#fields = pairsOf(fields);
    this.jobId = this.#text('job');
    this.producerId = this.#text('prd');
  }

  /** @internal Returns all fields of an entry. */
  static fieldsOf(entry) {
    return entry.#fields;
  }

  /** Returns the time of the entry, by the clock of Redis. */
  get date() {
    return new Date(Number(this.id.split('-')[0]));
  }

  /** Returns the job, with the values that the entry carries. */
  get job() {
    if (this.#job === null) {
      this.#job = new Job(this.#client, this.jobId);
      const delivery = new Delivery(this.#job.id, false);
      delivery.carry({ values: this.#carried(), returns: [], isOnlyCopy: this.#text(ONLY_COPY) === '1' });
      Job.deliver(this.#job, delivery);
    }
    return this.#job;
  }

  /** Returns the carried values. A value that is not JSON is a Buffer. */
  get values() {
    if (this.#values === null) {
      this.#values = {};
      for (const [key, value] of this.#carried()) put(this.#values, key, parsed(value));
    }
    return this.#values;
  }

  #carried() {
    const carried = this.#fields.filter(([name]) => name.startsWith(VALUE_PREFIX));
    return [...new Map(carried.map(([name, value]) => [name.slice(VALUE_PREFIX.length), value]))];
  }

  #text(name) {
    return this.#fields.findLast(([field]) => field === name)?.[1].toString() ?? '';
  }
}

function pairsOf(fields) {
  const pairs = [];
  for (let at = 0; at < fields.length; at += 2) pairs.push([fields[at].toString(), fields[at + 1]]);
  return pairs;
}

function parsed(value) {
  try {
    return JSON.parse(value.toString());
  } catch {
    return value.length === 0 ? null : value;
  }
}

module.exports = { HistoryEntry };
