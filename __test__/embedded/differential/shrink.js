'use strict';

/**
 * The fewest items that still fail, as far as leaving some out leads there.
 * @template T
 * @param {T[]} items
 * @param {(items: T[]) => Promise<boolean>} fails
 */
async function shrink(items, fails) {
  let rest = items;
  for (let size = Math.ceil(rest.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = rest.length - size; at > -size; at -= size) {
      const without = [...rest.slice(0, Math.max(at, 0)), ...rest.slice(at + size)];
      if (without.length < rest.length && (await fails(without))) rest = without;
    }
  }
  return rest;
}

module.exports = { shrink };
