'use strict';

/** Everything that is measured, in the order in which it is. */
module.exports = {
  ...require('./send.js'),
  ...require('./drain.js'),
  ...require('./round-trip.js'),
  ...require('./distributed.js'),
};
