'use strict';

const MODES = ['on', 'off', 'tests'];

/**
 * Returns the places where values are checked.
 * @param {unknown} check option of `defineStream()`
 * @returns {{ send: boolean, receive: boolean }}
 */
function checkModes(check) {
  if (typeof check === 'object' && check !== null) {
    return { send: isOn('check.send', check.send), receive: isOn('check.receive', check.receive) };
  }
  const isChecked = isOn('check', check);
  return { send: isChecked, receive: isChecked };
}

function isOn(name, mode) {
  if (mode === undefined || mode === null) return true;
  if (!MODES.includes(mode)) throw new TypeError(`${name} must be 'on', 'off' or 'tests'`);
  return mode === 'tests' ? isTest() : mode === 'on';
}

/** Returns true in a process of jest, vitest or `node --test`, and with NODE_ENV=test. */
function isTest() {
  const { NODE_ENV, NODE_TEST_CONTEXT, JEST_WORKER_ID, VITEST } = process.env;
  return NODE_ENV === 'test' || [NODE_TEST_CONTEXT, JEST_WORKER_ID, VITEST].some((value) => value !== undefined);
}

module.exports = { checkModes };
