'use strict';

const { FIRST_KEYS } = require('./redis-commands.js');

const BUFFER = 'Buffer';

/** The names of the methods. */
const METHODS = new Set([...Object.keys(FIRST_KEYS), 'call'].flatMap((name) => [name, name + BUFFER]));

/**
 * Gives a class a method per command, and one that ends in Buffer: once, for all that are made of it. What the class
 * has itself goes before.
 * @param {Function} Class
 * @param {(self: object, name: string, args: any[], asBytes: boolean) => any} take what is done with a command
 */
function addCommandMethods({ prototype }, take) {
  // Without a prototype it is a dictionary from the start. V8 lays any other object out anew for each method, which were
  // some 5 MiB and 7 ms a class.
  const methods = Object.create(null);
  for (const name of Object.keys(FIRST_KEYS)) {
    add(methods, name, (self, args) => take(self, name, args, false));
    add(methods, name + BUFFER, (self, args) => take(self, name, args, true));
  }
  add(methods, 'call', (self, [name, ...args]) => take(self, name, args, false));
  add(methods, `call${BUFFER}`, (self, [name, ...args]) => take(self, name, args, true));
  Object.setPrototypeOf(methods, Object.getPrototypeOf(prototype));
  Object.setPrototypeOf(prototype, methods);
}

function add(methods, name, run) {
  function value(...args) {
    return run(this, args);
  }
  Object.defineProperty(value, 'name', { value: name, configurable: true });
  Object.defineProperty(methods, name, { value, writable: true, configurable: true, enumerable: false });
}

module.exports = { addCommandMethods, METHODS };
