'use strict';

const packetWriter = require('../bridge/packet-writer.js');
const requests = require('../bridge/pending-requests.js');
const checks = require('../options/validate.js');
const { partitionCount } = require('./partitioning/partition-counts.js');
const { routeOf } = require('./sending/send-options.js');

/** Cancellation of delayed sends of a producer. */
class Cancellation {
  #connection;
  #native;
  #partitions;

  /**
   * @param {import('./connection-manager.js').ConnectionManager} connection
   * @param {import('../../../native.js').NativeProducer} native
   * @param {import('./partitioning/sent-partitions.js').SentPartitions} partitions
   */
  constructor(connection, native, partitions) {
    this.#connection = connection;
    this.#native = native;
    this.#partitions = partitions;
  }

  /** Removes a delayed send. Resolves with true if its entry was not added yet. */
  cancel(options) {
    const { stream, id, route, partitions } = checks.object('options', options);
    const name = checks.name('stream', stream);
    if (typeof id !== 'string' || id === '') throw new TypeError('id must be a string that is not empty');
    const least = partitionCount(partitions);
    if (least === 0) return this.#cancelIn(name, route, id);
    if (route !== undefined && route !== null) throw new TypeError('route must not be given with partitions');
    return this.#cancelInPartitions(name, least, id);
  }

  /** The partition of a job without a key is not known, so all are asked. */
  async #cancelInPartitions(stream, least, id) {
    const names = await this.#partitions.agreedNames(stream, least);
    const results = await Promise.all(names.map((name) => this.#cancelIn(name, undefined, id)));
    return results.includes(true);
  }

  #cancelIn(name, route, id) {
    const leadsBy = this.#connection.isPartitioned ? routeOf(route, name) : name;
    if (leadsBy === null) throw new TypeError('cancel needs a route: DISTRIBUTED_ROUTING has one for each job');
    packetWriter.flush();
    const request = new CancelRequest(false);
    this.#native.cancel(requests.add(request), leadsBy, name, id);
    this.#connection.used();
    return request.promise;
  }
}

/** Request to remove a delayed send. */
class CancelRequest extends requests.Request {
  called(_index, _error, count) {
    this.result = count === 1;
  }
}

module.exports = { Cancellation };
