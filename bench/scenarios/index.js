'use strict';

const { S1, S2 } = require('./send.js');
const { S3 } = require('./drain.js');
const { S4, S5, S6 } = require('./round-trip.js');
const { S7 } = require('./hearing.js');
const { S8 } = require('./resident.js');
const { S9 } = require('./producers.js');
const { S10 } = require('./topologies.js');

/**
 * Everything that is measured, in the order in which it is: each with an id, a title, `cases`, and `run(stage, case)`,
 * which gives what came of it. A case has an id and a label; `jobs` and `seconds` say how long it takes at most, `cores`
 * and `topology` where it runs.
 */
module.exports = { S1, S2, S3, S4, S5, S6, S7, S8, S9, S10 };
