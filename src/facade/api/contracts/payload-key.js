'use strict';

const checks = require('../../options/validate.js');
const { notAwaited, notJson } = require('../../support/payload-error.js');
const { encode, expiry } = require('../payload/payload-values.js');

/** Result of a check without issues. */
const NO_ISSUES = [];
const MISSING = [{ message: 'The value is missing' }];
const NOT_BYTES = [{ message: 'The value must be bytes' }];
const NOT_JSON = [{ message: 'The stored value is not JSON' }];

/** Payload key of a contract: JSON that a schema describes, or bytes. */
class PayloadKey {
  #schema;
  #isOptional;

  /**
   * @param {string} name
   * @param {unknown} declared a schema, or an object with `schema` or `format`, and `timeout`
   */
  constructor(name, declared) {
    this.name = name;
    const { schema, format, optional, timeout } = isSchema(declared) ? { schema: declared } : asObject(name, declared);
    this.isBytes = format === 'bytes';
    this.timeout = expiry(name, timeout);
    this.#schema = schema;
    this.#isOptional = Boolean(optional);
    if (format !== undefined && format !== 'json' && format !== 'bytes') {
      throw new TypeError(`The format of '${name}' must be 'json' or 'bytes'`);
    }
    if (this.isBytes ? schema !== undefined : !isSchema(schema)) {
      const needed = "needs a schema with the property '~standard' of version 1, or format: 'bytes' without one";
      throw new TypeError(`The payload key '${name}' ${needed}`);
    }
  }

  /** Returns the stored form of a value; `undefined` for none. */
  encode(value) {
    if (value === undefined) return undefined;
    if (value instanceof Promise) throw notAwaited(this.name);
    if (this.isBytes) return encode(this.name, value);
    try {
      return JSON.stringify(value);
    } catch (error) {
      throw notJson(this.name, error);
    }
  }

  /** Returns the issues of a stored form, as its receiver will see it. */
  async issuesOf(encoded) {
    if (this.isBytes) return this.#issuesOfBytes(encoded);
    // Of the JSON: a Date for example arrives as a string.
    const { issues } = await this.#validate(encoded === undefined ? undefined : JSON.parse(encoded));
    return issues ?? NO_ISSUES;
  }

  /**
   * Returns the value of received bytes.
   * @param {Uint8Array | null} bytes `null` without a value
   * @param {boolean} isChecked
   * @returns {Promise<{ value?: unknown, issues?: ReadonlyArray<object> }>}
   */
  async read(bytes, isChecked) {
    if (this.isBytes) {
      const value = bytes ?? undefined;
      return isChecked && value === undefined && !this.#isOptional ? { issues: MISSING } : { value };
    }
    let value;
    try {
      // An empty value is one without JSON.
      value = bytes === null || bytes.length === 0 ? undefined : JSON.parse(bytes.toString());
    } catch {
      return { issues: NOT_JSON };
    }
    return isChecked ? this.#validate(value) : { value };
  }

  #issuesOfBytes(value) {
    if (value === undefined) return this.#isOptional ? NO_ISSUES : MISSING;
    return typeof value === 'string' ? NOT_BYTES : NO_ISSUES;
  }

  #validate(value) {
    return this.#schema['~standard'].validate(value);
  }
}

/** Returns true for a schema of the Standard Schema interface, which can be a function. */
function isSchema(value) {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  const standard = isObject ? value['~standard'] : undefined;
  return standard?.version === 1 && typeof standard.validate === 'function';
}

function asObject(name, declared) {
  if (typeof declared === 'object' && declared !== null && !Array.isArray(declared)) return declared;
  throw new TypeError(`The payload key '${name}' must be a schema or an object`);
}

/**
 * Returns the payload keys of a contract.
 * @param {string} what name of the option
 * @param {unknown} declared payload keys with their schemas
 * @returns {PayloadKey[]}
 */
function payloadKeys(what, declared) {
  if (declared === undefined || declared === null) throw new TypeError(`${what} must be an object`);
  const given = checks.object(what, declared);
  return Object.keys(given).map((name) => new PayloadKey(checks.text(what, name), given[name]));
}

module.exports = { payloadKeys };
