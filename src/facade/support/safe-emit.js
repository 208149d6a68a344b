'use strict';

const { errorCarrier } = require('./error-carrier.js');

/** Emits an event; what a listener throws is an `'error'` of the emitter and stops nothing. */
function safeEmit(emitter, event, about) {
  try {
    emitter.emit(event, about);
  } catch (thrown) {
    const error = errorCarrier(thrown, 'A listener threw.', 'LISTENER_ERROR');
    try {
      emitter.emit('error', error);
    } catch {
      // The listener for errors is the last resort; what it throws has nowhere to go.
    }
  }
}

module.exports = { safeEmit };
