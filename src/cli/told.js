'use strict';

const { RepeatedSignals } = require('../facade/support/repeated-signals.js');

const SIGNALS = ['SIGINT', 'SIGTERM'];

/** Resolves at the first signal to end; another one ends the process at once, unless it is the same. */
function told() {
  return new Promise((resolve) => {
    const repeated = new RepeatedSignals();
    let isTold = false;
    const hear = (name) => {
      if (repeated.isRepeated()) return;
      if (isTold) {
        for (const signal of SIGNALS) process.removeListener(signal, hear);
        process.kill(process.pid, name);
      }
      isTold = true;
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, hear);
  });
}

module.exports = { told };
