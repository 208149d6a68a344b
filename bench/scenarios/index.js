'use strict';

const { S14 } = require('./batches.js');
const { S1, S2, S12 } = require('./send.js');
const { S3, S13 } = require('./drain.js');
const { S4, S5, S6, S11, S18 } = require('./round-trip.js');
const { S7 } = require('./hearing.js');
const { S15, S16 } = require('./networks.js');
const { S17 } = require('./persistence.js');
const { S8 } = require('./resident.js');
const { S9 } = require('./producers.js');
const { S10 } = require('./topologies.js');

/**
 * Everything that is measured, in the order in which it is: each with an id, a title, `cases`, and `run(stage, case)`,
 * which gives what came of it. A case has an id and a label. `jobs` and `seconds` limit its duration. `cores`, `topology`,
 * `appendfsync` and `delay` describe its environment.
 */
module.exports = { S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11, S12, S13, S14, S15, S16, S17, S18 };
