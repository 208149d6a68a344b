'use strict';

/** Returns a name as Redis stores it. UTF-8 replaces half of a surrogate pair by U+FFFD. */
function wireName(name) {
  return Buffer.from(name).toString();
}

/** Returns the names whose stored form is `received`. Several names can have the same form. */
function namesOf(received, names) {
  return names.filter((name) => typeof name === 'string' && wireName(name) === received);
}

/** Returns true if a name from Redis can stand for a different name in JavaScript. */
function isAmbiguous(received) {
  return received.includes('\ufffd');
}

module.exports = { isAmbiguous, namesOf };
