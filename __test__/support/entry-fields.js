'use strict';

const { keys } = require('./keys.js');

/** Returns the fields of the newest entry of a stream as pairs of a name and bytes. */
async function fieldsOf(scene, { stream = scene.stream, redis = scene.redis } = {}) {
  const [[, words]] = await redis.callBuffer('XREVRANGE', keys.stream(stream), '+', '-', 'COUNT', 1);
  return Array.from({ length: words.length / 2 }, (_, at) => [words[2 * at].toString(), words[2 * at + 1]]);
}

/** Returns the values that the newest entry of a stream carries, by payload key. */
async function carriedBy(scene, options) {
  const fields = await fieldsOf(scene, options);
  const isValue = ([name]) => name.startsWith('val:');
  return new Map(fields.filter(isValue).map(([name, value]) => [name.slice('val:'.length), value]));
}

module.exports = { carriedBy, fieldsOf };
