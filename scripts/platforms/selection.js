'use strict';

/**
 * Files of tests that run in emulators. The others start many processes, stop and restart servers, or have limits of time that
 * an emulator, which takes ten times as long, does not keep.
 */
const IN_EMULATORS = [
  'answers',
  'carried-keys',
  'carried-limits',
  'carried-retries',
  'consumer-jobs',
  'consumer-pausing',
  'entry-ids',
  'ids',
  'job-batches',
  'job-payload',
  'odd-names',
  'payload-changes',
  'payload-round-trips',
  'producer-completions',
  'producer-listen',
  'producer-send',
  'refused-options',
  'send-all',
  'settling',
  'standalone-options',
  'urls',
];

/**
 * Returns the reason that a platform leaves a file of tests out, or undefined.
 *
 * @param {{ isEmulated?: boolean }} guest
 * @param {string} file such as `__test__/compat/ids.test.js`
 */
function whyNot({ isEmulated }, file) {
  const title = file.split('/').at(-1).replace('.test.js', '');
  return isEmulated && !IN_EMULATORS.includes(title) ? 'emulators run a selection' : undefined;
}

module.exports = { IN_EMULATORS, whyNot };
