'use strict';

/** Interval of the checks for due actions, in ms. */
const EVERY = 5;

/** Does something so often a second, making up for ticks that come late; resolves when the last one has begun. */
function atRate({ seconds, rate }, act) {
  const start = performance.now();
  let done = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const passed = Math.min(seconds, (performance.now() - start) / 1000);
      for (; done < passed * rate; done++) act();
      if (passed < seconds) return;
      clearInterval(timer);
      resolve();
    }, EVERY);
  });
}

module.exports = { atRate };
