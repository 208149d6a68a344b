'use strict';

const { channel } = require('node:diagnostics_channel');

/** Everything that a channel of the bus publishes from now on, until the scene ends. */
function hear(scene, topic) {
  const messages = [];
  const told = channel(`hfxbus:${topic}`);
  const listener = (message) => messages.push(message);
  told.subscribe(listener);
  scene.closing(() => told.unsubscribe(listener));
  return messages;
}

module.exports = { hear };
