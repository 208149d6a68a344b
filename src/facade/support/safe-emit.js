'use strict';

const { errorCarrier } = require('./error-carrier.js');

/** Emits an event. An exception of a listener becomes an `'error'` event of the emitter. */
function safeEmit(emitter, event, about) {
  try {
    emitter.emit(event, about);
  } catch (thrown) {
    const error = errorCarrier(thrown, 'A listener threw.', 'LISTENER_ERROR');
    try {
      emitter.emit('error', error);
    } catch {
      // An exception of a listener for errors has no other listener, and is dropped.
    }
  }
}

module.exports = { safeEmit };
