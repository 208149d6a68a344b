'use strict';

const assert = require('node:assert');
const { oursWithin } = require('../support/cases.js');
const { documentedRights } = require('../support/documented-rights.js');
const { needlessRights } = require('./acl-trial.js');

const { commands } = documentedRights();

oursWithin(120_000)('each of the documented rights is needed', async (_, scene) => {
  assert.ok(commands.length > 25);
  assert.deepStrictEqual(await needlessRights(scene, { granted: commands }), []);
});
