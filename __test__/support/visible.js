'use strict';

const { inspect } = require('node:util');

/** Everything that can be seen of a value, by the means that programs log with. */
function visible(value) {
  const deep = inspect(value, { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity });
  if (typeof value !== 'object' || value === null) return deep;
  const own = Reflect.ownKeys(value).map((key) => inspect(value[key], { depth: 4, showHidden: true }));
  return [deep, `${value}`, asJson(value), value.stack, ...own].join('\n');
}

function asJson(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    return error.message;
  }
}

module.exports = { visible };
