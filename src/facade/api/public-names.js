'use strict';

/*
 * The public names, loaded once for each global object. A program can load this package again, by `jest.resetModules()` or by
 * dropping `require.cache`. It then gets the same classes, so that a manager of one load works with a producer of another,
 * as with 2.x. Another global object, such as that of the next test file, gets classes of its own.
 */

/** A bundle to ES modules has no `__filename`, and is not loaded again. */
const loaded = Symbol.for(`hfxbus ${typeof __filename === 'string' ? __filename : 'bundled'}`);

function load() {
  return {
    ConnectionManager: require('./connection-manager.js').ConnectionManager,
    Job: require('./job.js').Job,
    Producer: require('./producer.js').Producer,
    Consumer: require('./consumer.js').Consumer,
    HFXBUS_ID_SIZE: require('../support/constants.js').HFXBUS_ID_SIZE,
    DISTRIBUTED_ROUTING: require('../support/constants.js').DISTRIBUTED_ROUTING,
    withValue: require('../support/errors.js').withValue,
    setErrorKind: require('../support/errors.js').setErrorKind,
    UnrecoverableError: require('../support/errors.js').UnrecoverableError,
    DeadLetters: require('./dead-letters.js').DeadLetters,
    gracefulShutdown: require('./graceful-shutdown.js').gracefulShutdown,
  };
}

if (globalThis[loaded] === undefined) {
  // Not enumerable: test runners look for globals that a test has left behind.
  Reflect.defineProperty(globalThis, loaded, { value: load(), configurable: true });
}

module.exports = globalThis[loaded] ?? load();
