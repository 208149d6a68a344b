'use strict';

/** Malicious or broken values. */
const hostile = {
  /** Without a prototype: nothing can make a text of it. */
  bare: () => Object.create(null),
  /** Everything that is asked of it throws. */
  throwing: () => ({
    get value() {
      throw new Error('thrown by a getter');
    },
  }),
  /** Has whatever it is asked for. */
  proxy: () => new Proxy({}, { get: (_, key) => (typeof key === 'symbol' ? undefined : () => 'anything') }),
  cycle: () => {
    const cycle = {};
    cycle.self = cycle;
    return cycle;
  },
  /** For messages. */
  label: (value) => {
    try {
      return `${typeof value} ${String(value)}`;
    } catch {
      return typeof value;
    }
  },
};

module.exports = { hostile };
