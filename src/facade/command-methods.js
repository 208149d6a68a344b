'use strict';

const { FIRST_KEYS } = require('./redis-commands.js');

const BUFFER = 'Buffer';

/** The names of the methods. */
const METHODS = new Set([...Object.keys(FIRST_KEYS), 'call'].flatMap((name) => [name, name + BUFFER]));

/**
 * Gives a class a method per command, and one that ends in Buffer: once, for all that are made of it. What the class
 * has already stays.
 * @param {object} prototype
 * @param {(self: object, name: string, args: any[], asBytes: boolean) => any} take what is done with a command
 */
function addCommandMethods(prototype, take) {
  for (const name of Object.keys(FIRST_KEYS)) {
    add(prototype, name, (self, args) => take(self, name, args, false));
    add(prototype, name + BUFFER, (self, args) => take(self, name, args, true));
  }
  add(prototype, 'call', (self, [name, ...args]) => take(self, name, args, false));
  add(prototype, `call${BUFFER}`, (self, [name, ...args]) => take(self, name, args, true));
}

function add(prototype, name, run) {
  if (Object.hasOwn(prototype, name)) return;
  function value(...args) {
    return run(this, args);
  }
  Object.defineProperty(value, 'name', { value: name, configurable: true });
  Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false });
}

module.exports = { addCommandMethods, METHODS };
