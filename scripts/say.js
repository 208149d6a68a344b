'use strict';

/** A step that takes longer says so this often, in ms. */
const PATIENCE = 15_000;

/** One line of ours among the output of others. */
function say(text) {
  console.log(`hfxbus: ${text}`);
}

/** Says what is being done, that it still is, and how long it took. */
async function step(text, action) {
  const start = Date.now();
  const elapsed = (digits) => `${((Date.now() - start) / 1000).toFixed(digits)} s`;
  say(`${text} …`);
  const ticker = setInterval(() => say(`${text} … ${elapsed(0)} so far`), PATIENCE);
  try {
    const result = await action();
    say(`${text}: done in ${elapsed(1)}`);
    return result;
  } catch (error) {
    say(`${text}: failed after ${elapsed(1)}`);
    throw error;
  } finally {
    clearInterval(ticker);
  }
}

module.exports = { say, step };
