'use strict';

const checks = require('../../options/validate.js');
const { Consumer } = require('../consumer.js');
const { Producer } = require('../producer.js');
const { groupsOf } = require('../sending/send-options.js');
const { checkModes } = require('./check-mode.js');
const { ContractError } = require('./contract-error.js');
const { ContractJob } = require('./contract-job.js');
const { ContractValues } = require('./contract-values.js');
const { payloadKeys } = require('./payload-key.js');
const { SentContractJob } = require('./sent-contract-job.js');

/** Contract of a stream: the payload keys of its jobs, and those that each group sets as its result. */
class StreamContract {
  #payload;
  /** Results by group; `null` without declared groups. */
  #results;
  #isChecked;

  constructor({ name, payload, results, check }) {
    this.name = checks.name('name', name);
    this.#isChecked = checkModes(check);
    const keys = payloadKeys('payload', payload);
    const groups = results === undefined || results === null ? null : Object.entries(checks.object('results', results));
    const ofGroups = (groups ?? []).map(([group, declared]) => [group, payloadKeys(`results.${group}`, declared)]);
    refuseShared([['payload', keys], ...ofGroups]);
    this.#payload = new ContractValues(this.name, keys);
    this.#results = groups && new Map(ofGroups.map(([group, own]) => [group, new ContractValues(this.name, own)]));
  }

  /** Checks the payload and sends a job with it. */
  async send(producer, values, options) {
    const { send, results } = await this.#prepared(producer, values, options);
    return this.#sent(await producer.send(send), results);
  }

  /** Checks the payloads and sends jobs with them in one write. */
  async sendAll(producer, sends, options) {
    if (!Array.isArray(sends)) throw new TypeError('sends must be an array');
    const prepared = await Promise.all(sends.map((given, index) => this.#preparedAt(index, producer, given)));
    const jobs = await producer.sendAll(
      prepared.map(({ send }) => send),
      options,
    );
    return jobs.map((job, index) => this.#sent(job, prepared[index].results));
  }

  /** Adds the stream to a consumer. */
  process(consumer, options) {
    const { group, processor, ...given } = checks.object('options', options);
    if (typeof processor !== 'function') throw new TypeError('processor must be a function');
    if (!(consumer instanceof Consumer)) throw new TypeError('consumer must be a Consumer');
    if (group !== consumer.group) throw new TypeError(`group must be that of the consumer, '${consumer.group}'`);
    const results = this.#resultsOf(group);
    const wrap = (job) => new ContractJob(job, this.#payload, results, this.#isChecked);
    const single = async (job) => {
      const own = wrap(job);
      await own.answerWith(await processor(own));
    };
    const hasBatch = given.batch !== undefined && given.batch !== null;
    const wrapped = hasBatch ? (jobs) => processor(jobs.map(wrap)) : single;
    return consumer.process({ ...given, stream: this.name, processor: wrapped });
  }

  /** Returns what `sendAll()` sends for one element. An error of its payload has the index. */
  async #preparedAt(index, producer, given) {
    const { values, ...options } = checks.object(`sends[${index}]`, given);
    try {
      return await this.#prepared(producer, values, options);
    } catch (error) {
      if (error instanceof ContractError) error.index = index;
      throw error;
    }
  }

  async #prepared(producer, values, options) {
    // Not one of another copy of the package either: its jobs are not ours.
    if (!(producer instanceof Producer)) throw new TypeError('producer must be a Producer');
    const { jobId, waitFor, ...given } = options ?? {};
    const results = new Map((groupsOf(waitFor) ?? []).map((group) => [group, this.#resultsOf(group)]));
    const job = producer.job(jobId);
    await this.#payload.write(job, 'send', values, this.#isChecked.send);
    const returns = [...results.values()].flatMap(({ names }) => names);
    const awaited = results.size > 0 ? { waitFor: [...results.keys()] } : {};
    const returned = returns.length > 0 ? { returns } : {};
    return { send: { ...given, stream: this.name, job, ...awaited, ...returned }, results };
  }

  #sent(job, results) {
    return new SentContractJob(job, results, this.#isChecked.receive);
  }

  #resultsOf(group) {
    if (this.#results === null) return new ContractValues(this.name, []);
    const results = this.#results.get(group);
    if (results === undefined) throw new TypeError(`The contract of stream '${this.name}' has no group '${group}'`);
    return results;
  }
}

/** Refuses a key that is declared twice, since all groups of a job share its payload keys. */
function refuseShared(declared) {
  const owners = new Map();
  for (const [owner, keys] of declared) {
    for (const { name } of keys) {
      const other = owners.get(name);
      if (other !== undefined) {
        throw new TypeError(
          `The payload key '${name}' is declared twice, for '${other}' and '${owner}': groups share keys`,
        );
      }
      owners.set(name, owner);
    }
  }
}

/** Defines the contract of a stream. */
function defineStream(definition) {
  return new StreamContract(checks.object('definition', definition));
}

module.exports = { defineStream };
