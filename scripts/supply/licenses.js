'use strict';

/** Licences that a program may link, since they ask for a notice at most; the first one is preferred where several are offered. */
const ALLOWED = ['MIT', 'ISC', 'BSD-3-Clause', 'Zlib', 'Unicode-3.0', 'Apache-2.0', 'BSL-1.0', 'CDLA-Permissive-2.0'];

/**
 * Returns the licences that apply to a crate: one for each part of its expression, the preferred one of alternatives.
 *
 * @param {string} expression such as `(MIT OR Apache-2.0) AND Unicode-3.0`
 * @returns {string[] | null} null if a part offers none that is allowed
 */
function licensesOf(expression) {
  const parts = expression.replaceAll('/', ' OR ').split(/ AND /);
  const chosen = parts.map((part) => {
    const offered = part
      .replace(/[()]/g, '')
      .split(/ OR /)
      .map((one) => one.trim());
    return ALLOWED.find((one) => offered.includes(one));
  });
  return chosen.every(Boolean) ? chosen : null;
}

module.exports = { ALLOWED, licensesOf };
