'use strict';

const checks = require('./validate.js');
const { LONGEST_TIMER } = require('../support/constants.js');

/**
 * Converts the options of ejection into those of the engine, which has the defaults.
 * @param {object | boolean | undefined} given `true` means the defaults
 * @returns {object | undefined} `undefined` if nodes never leave the ring
 */
function ejectOptions(given) {
  if (given === undefined || given === null || given === false) return undefined;
  const options = given === true ? {} : checks.object('eject', given);
  const positive = (name) => checks.count(`eject.${name}`, options[name], { least: 1, most: LONGEST_TIMER });
  return {
    failures: positive('failures'),
    timeout: positive('timeout'),
    probeInterval: positive('probeInterval'),
  };
}

module.exports = { ejectOptions };
