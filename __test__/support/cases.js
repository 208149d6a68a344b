'use strict';

const test = require('node:test');
const { findProgram } = require('../../scripts/redis-program.js');
const { versionOf } = require('../../scripts/server-binaries.js');
const { whyLeftOut } = require('../embedded/unsupported.js');
const { isEmbedded } = require('./redis-server.js');
const { Scene } = require('./fixture.js');
const { subjects } = require('./implementations.js');

/** Maximum time of a case on a busy machine, in ms. */
const LIMIT = 30000;

/** A case of what programs rely on: runs on 2.2.0 and on ours, so that nothing can be expected that was not there. */
function keep(title, run) {
  register(title, subjects, run);
}

/** A case of what 2.2.0 does wrong or not at all: runs on ours. */
function fix(title, run) {
  register(title, subjects.filter(isOurs), run);
}

/** A case of what is ours alone: runs on ours. */
function ours(title, run) {
  fix(title, run);
}

/** The same for cases that take long on servers that are slow with something; `limit` is in ms. */
function oursWithin(limit) {
  return (title, run) => register(title, subjects.filter(isOurs), run, limit);
}

/**
 * The same for cases with commands that Redis has since a version. Valkey began as 7.2. Older servers leave them out.
 *
 * @param {number} major first version with the commands
 */
function oursSince(major) {
  if (isSince(major)) return ours;
  return (title) => console.log(`left out: ${title}: ${versionOf(findProgram())} is older than Redis ${major}`);
}

/** Returns true if the server of the tests has that version or a later one, as the embedded server has. */
function isSince(major) {
  return isEmbedded || Number(/(\d+)\./.exec(versionOf(findProgram()))[1]) >= major;
}

function isOurs({ env }) {
  return env === 'ours';
}

function register(title, chosen, run, limit = LIMIT) {
  const reason = isEmbedded ? whyLeftOut(title) : undefined;
  for (const subject of chosen) {
    if (reason) {
      console.log(`left out: ${title} (${subject.name}): ${reason}`);
      continue;
    }
    test(`${title} (${subject.name})`, { timeout: limit }, async (t) => {
      // A case that waits for what never comes is to fail by its limit, not by the end of the whole process.
      const alive = setInterval(() => {}, 1000);
      const scene = await Scene.open(subject);
      try {
        await run(t, scene);
      } finally {
        await scene.close();
        clearInterval(alive);
      }
    });
  }
}

module.exports = { isSince, keep, fix, ours, oursSince, oursWithin };
