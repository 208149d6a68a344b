'use strict';

const { ContractError } = require('./contract-error.js');
const { Job } = require('../job.js');

const NOT_DECLARED = 'The contract has no such key';

/** Values of some payload keys of a contract, on their way into a job or out of it. */
class ContractValues {
  #stream;
  #keys;

  /**
   * @param {string} stream
   * @param {import('./payload-key.js').PayloadKey[]} keys
   */
  constructor(stream, keys) {
    this.#stream = stream;
    this.#keys = keys;
  }

  get names() {
    return this.#keys.map(({ name }) => name);
  }

  /**
   * Sets values of a job, all of them or none.
   * @param {'send' | 'answer'} at
   * @param {unknown} values
   * @param {boolean} isChecked
   */
  async write(job, at, values, isChecked) {
    if (typeof values !== 'object' || values === null) throw new TypeError('values must be an object');
    const names = this.names;
    const others = Object.keys(values).filter((name) => !names.includes(name));
    const found = others.map((key) => ({ key, message: NOT_DECLARED }));
    const encoded = this.#keys.map((key) => ({ key, value: key.encode(ownOf(values, key.name)) }));
    if (isChecked) {
      const issues = await Promise.all(encoded.map(({ key, value }) => key.issuesOf(value)));
      for (const [index, each] of issues.entries()) found.push(...named(this.#keys[index], each));
    }
    if (found.length > 0) throw new ContractError(at, this.#stream, found);
    for (const { key, value } of encoded) {
      if (value !== undefined) Job.setEncoded(job, key.name, value, key.timeout);
    }
  }

  /**
   * Reads values of a job.
   * @param {'receive' | 'result'} at
   * @param {string[]} names
   * @param {boolean} isChecked
   */
  async read(job, at, names, isChecked) {
    const keys = names.map((name) => this.#key(name));
    return this.take(await pulled(job, names), at, keys, isChecked);
  }

  /** Returns the values of received bytes. */
  async take(bytes, at, keys, isChecked) {
    const results = await Promise.all(keys.map((key) => key.read(ownOf(bytes, key.name) ?? null, isChecked)));
    const found = results.flatMap(({ issues }, index) => named(keys[index], issues ?? []));
    if (found.length > 0) throw new ContractError(at, this.#stream, found);
    return Object.fromEntries(results.map(({ value }, index) => [keys[index].name, value]));
  }

  #key(name) {
    const key = this.#keys.find((one) => one.name === name);
    if (key === undefined) throw new TypeError(`The contract of stream '${this.#stream}' has no key '${String(name)}'`);
    return key;
  }

  /** Returns the results of received bytes. */
  results(bytes, isChecked) {
    return this.take(bytes, 'result', this.#keys, isChecked);
  }
}

/** Reads payload keys of a job as bytes, which tells a missing value from null. */
function pulled(job, names) {
  for (const name of names) job.get(name, true);
  return job.pull();
}

/** Returns an own property; the name of a payload key can be that of an inherited one. */
function ownOf(object, name) {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function named({ name }, issues) {
  return issues.map(({ path, message }) => ({ key: name, path, message }));
}

module.exports = { ContractValues, pulled };
