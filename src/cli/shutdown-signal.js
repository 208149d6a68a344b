'use strict';

const { RepeatedSignals } = require('../facade/support/repeated-signals.js');

const SIGNALS = ['SIGINT', 'SIGTERM'];

/** Resolves at the first SIGINT or SIGTERM. A later signal ends the process, unless it repeats the first one. */
function shutdownSignal() {
  return new Promise((resolve) => {
    const repeated = new RepeatedSignals();
    let isReceived = false;
    const onSignal = (name) => {
      if (repeated.isRepeated()) return;
      if (isReceived) {
        for (const signal of SIGNALS) process.removeListener(signal, onSignal);
        process.kill(process.pid, name);
      }
      isReceived = true;
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, onSignal);
  });
}

module.exports = { shutdownSignal };
