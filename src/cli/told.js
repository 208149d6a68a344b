'use strict';

/** Resolves at the first signal to end; a second one ends the process at once. */
function told() {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve);
  });
}

module.exports = { told };
