'use strict';

/*
 * Public names, loaded once for each global object. A second load, by `jest.resetModules()` or a cleared `require.cache`, returns
 * the same classes, so that a manager of one load works with a producer of another, as in 2.x. Another global object, such as
 * that of the next test file, gets its own classes.
 */

/** Key of the names. An ES module bundle has no `__filename`, and is not loaded again. */
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
    defineStream: require('./contracts/stream-contract.js').defineStream,
    ContractError: require('./contracts/contract-error.js').ContractError,
    eventStream: require('./results/event-stream.js').eventStream,
    gracefulShutdown: require('./graceful-shutdown.js').gracefulShutdown,
  };
}

if (globalThis[loaded] === undefined) {
  // Not enumerable, since test runners report new globals of a test.
  Reflect.defineProperty(globalThis, loaded, { value: load(), configurable: true });
}

module.exports = globalThis[loaded] ?? load();
