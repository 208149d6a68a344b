'use strict';

/** Option of `finished()` with which it returns the wait itself. So a job that is sent needs no further property. */
const AWAITED = Symbol('awaited');

module.exports = { AWAITED };
