'use strict';

/**
 * Result of one check.
 * @typedef {{ check: string, node: string, state: 'ok' | 'warning' | 'problem' | 'unknown', detail: string }} Finding
 */

module.exports = {};
