'use strict';

/** Number of characters of a generated id. */
exports.HFXBUS_ID_SIZE = 16;

/** Route that spreads jobs over all nodes. Each copy of the package has its own symbol, as in 2.x. */
exports.DISTRIBUTED_ROUTING = Symbol('DISTRIBUTED_ROUTING');

/** Longest time of a timer of Node, in ms. A longer time fires at once. */
exports.LONGEST_TIMER = 2 ** 31 - 1;
