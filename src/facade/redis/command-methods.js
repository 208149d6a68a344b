'use strict';

const { FIRST_KEYS } = require('./redis-commands.js');

const BUFFER = 'Buffer';

/** Names of the methods. */
const METHODS = new Set([...Object.keys(FIRST_KEYS), 'call'].flatMap((name) => [name, name + BUFFER]));

/**
 * Adds two methods per command to a class, of which one ends in Buffer. The methods of the class itself take precedence.
 * @param {Function} Class
 * @param {(self: object, name: string, args: any[], asBytes: boolean) => any} take executes a command
 */
function addCommandMethods({ prototype }, take) {
  // An object without a prototype is a dictionary from the start. V8 changes the layout of any other object for each method,
  // which takes about 5 MiB and 7 ms per class.
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
