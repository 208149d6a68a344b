'use strict';

/** How many characters a generated id has. */
exports.HFXBUS_ID_SIZE = 16;

/** As a route: spread over all nodes. Not `Symbol.for`: every copy of the package has its own, as in 2.x. */
exports.DISTRIBUTED_ROUTING = Symbol('DISTRIBUTED_ROUTING');

/** Timers of Node fire at once when they are asked to wait for longer than this. */
exports.LONGEST_TIMER = 2 ** 31 - 1;
