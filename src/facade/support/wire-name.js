'use strict';

/** A name as Redis has it, and as it comes back: UTF-8 has no half of a surrogate pair, and U+FFFD stands for it. */
function wireName(name) {
  return Buffer.from(name).toString();
}

/** Which of some names are, in Redis, the one that came from there; there may be several. */
function namesOf(received, names) {
  return names.filter((name) => typeof name === 'string' && wireName(name) === received);
}

/** Whether a name that came from Redis may have been given as another one. */
function isAmbiguous(received) {
  return received.includes('\ufffd');
}

module.exports = { isAmbiguous, namesOf };
