'use strict';

const checks = require('./validate.js');
const { LONGEST_TIMER } = require('../support/constants.js');

/**
 * When nodes leave the ring, as the engine takes it; what is missing has the engine's default.
 * @param {object | boolean | undefined} given `true` is without any options
 * @returns {object | undefined} nothing if they stay in it whatever happens
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
