'use strict';

/**
 * Adds `Symbol.asyncDispose` to a class, if the language has it, so that `await using` ends its objects.
 * @param {Function} type
 * @param {string} method name of the method that ends an object
 */
function disposable(type, method) {
  if (!Symbol.asyncDispose) return;
  Object.defineProperty(type.prototype, Symbol.asyncDispose, {
    value: async function () {
      await this[method]();
    },
    configurable: true,
    writable: true,
  });
}

module.exports = { disposable };
