'use strict';

/** Resolves with the fields of INFO, or an empty Map without the permission for it. */
async function infoOf(client) {
  try {
    return fieldsOf(await client.call('info'));
  } catch (error) {
    if (error.code === 'NOPERM') return new Map();
    throw error;
  }
}

/** Parses lines of the form `name:value`, as in the reply to INFO. */
function fieldsOf(text) {
  const pairs = text.split('\r\n').map((line) => line.split(/:(.*)/s, 2));
  return new Map(pairs.filter(([, value]) => value !== undefined));
}

module.exports = { fieldsOf, infoOf };
