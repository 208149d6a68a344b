'use strict';

/**
 * Returns the number of a command-line option.
 * @param {string} name name of the option in errors
 * @param {string} text
 * @param {(value: number) => boolean} isValid
 */
function numberOption(name, text, isValid) {
  const value = Number(text);
  if (!isValid(value)) throw new Error(`--${name} cannot be ${text}`);
  return value;
}

module.exports = { numberOption };
