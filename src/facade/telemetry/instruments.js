'use strict';

const { metrics } = require('@opentelemetry/api');

/** Boundaries of the histograms in the conventions, in seconds. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Metrics of sends and runs. The instruments are made at the first record, when the program has set its provider. */
class Instruments {
  #provider;
  #scope;
  #made = null;

  /**
   * @param {object | undefined} provider the global one if it is missing
   * @param {string} scope name of the meter
   */
  constructor(provider, scope) {
    this.#provider = provider;
    this.#scope = scope;
  }

  /** Records one send or one run. */
  record(isSend, attributes, seconds) {
    this.#made ??= this.#make();
    const { count, duration } = isSend ? this.#made.send : this.#made.process;
    // Ids of clients would make a time series of each process.
    const { 'messaging.client.id': _id, 'messaging.operation.type': type, ...labels } = attributes;
    count.add(1, labels);
    duration.record(seconds, isSend ? { ...labels, 'messaging.operation.type': type } : labels);
  }

  #make() {
    const meter = (this.#provider ?? metrics).getMeter(this.#scope);
    const messages = (name, description) => meter.createCounter(name, { unit: '{message}', description });
    const seconds = (name, description) =>
      meter.createHistogram(name, { unit: 's', description, advice: { explicitBucketBoundaries: BOUNDARIES } });
    return {
      send: {
        count: messages('messaging.client.sent.messages', 'Number of jobs that were passed to Redis'),
        duration: seconds('messaging.client.operation.duration', 'Time from a send to the reply of Redis'),
      },
      process: {
        count: messages('messaging.client.consumed.messages', 'Number of jobs that were passed to a processor'),
        duration: seconds('messaging.process.duration', 'Time of a run of a processor'),
      },
    };
  }
}

module.exports = { Instruments };
