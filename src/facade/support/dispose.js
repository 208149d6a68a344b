'use strict';

/**
 * Has `await using` end what a class stands for, where the language has that.
 * @param {Function} type
 * @param {string} method the method that ends it
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
