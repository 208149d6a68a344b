'use strict';

const { cutText } = require('../../support/cut-text.js');

/** Maximum number of issues that an error lists. */
const MOST_ISSUES = 20;
/** Maximum length of one part of a path. Names of properties can be data. */
const LONGEST_PART = 64;
/** Beginning of the message, by the place of the check. */
const SUBJECTS = {
  send: 'The payload cannot be sent',
  receive: 'The received payload is invalid',
  answer: 'The result of the processor is invalid',
  result: 'The received result is invalid',
};

/** Error of values that do not fit the contract of their stream. It has the places of the values, and never the values. */
class ContractError extends Error {
  /** Issues of the schemas, whose messages can contain values. A private member is neither printed nor serialized. */
  #details;

  /**
   * @param {'send' | 'receive' | 'answer' | 'result'} at place of the check
   * @param {string} stream
   * @param {Array<{ key: string, path?: ReadonlyArray<PropertyKey | { key: PropertyKey }>, message: string }>} found
   */
  constructor(at, stream, found) {
    const issues = found.slice(0, MOST_ISSUES).map(({ key, path }) => ({ key: shortened(key), path: partsOf(path) }));
    const more = found.length > issues.length ? ` and ${found.length - issues.length} more` : '';
    super(`${SUBJECTS[at]}, by the contract of stream '${stream}': ${issues.map(placeOf).join(', ')}${more}`);
    this.code = 'PAYLOAD_INVALID';
    this.stream = stream;
    this.at = at;
    this.issues = issues;
    // Another delivery would find the same values.
    if (at === 'receive') this.retry = false;
    this.#details = found;
  }

  /** Returns the issues with the messages of the schemas, which can contain values. */
  details() {
    return this.#details.map(({ key, path, message }) => ({ key, path: partsOf(path), message }));
  }
}
ContractError.prototype.name = 'ContractError';

function partsOf(path = []) {
  return path.map((part) => {
    const name = typeof part === 'object' && part !== null ? part.key : part;
    return typeof name === 'number' ? name : shortened(String(name));
  });
}

function shortened(text) {
  return cutText(text, LONGEST_PART, (part) => part.length);
}

function placeOf({ key, path }) {
  return path.reduce((place, part) => (typeof part === 'number' ? `${place}[${part}]` : `${place}.${part}`), key);
}

module.exports = { ContractError };
