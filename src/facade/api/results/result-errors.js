'use strict';

const { setErrorKind } = require('../../support/errors.js');

/** Creates an error about a result. @param {{ stream: string, group: string, id: string }} result */
function resultError(code, message, { stream, group, id }, about = {}) {
  return setErrorKind(Object.assign(new Error(message), { stream, group, job: id }, about), code);
}

/** Creates the error of a run that the group has rejected. @param {unknown} reason as `finished()` has it */
function failedError(result, reason, id) {
  const text = typeof reason?.message === 'string' ? reason.message : String(reason);
  const about = { reason, ...(id !== null && { id }) };
  return resultError('RESULT_FAILED', `Group '${result.group}' rejected the job: ${text}`, result, about);
}

/** Creates the error of chunks that were removed before they were read. */
function trimmedError(result, { after, oldest }) {
  const message =
    `Chunks of the result after ${after} were removed before they were read: ` +
    'read sooner, raise results.capped or results.ttl, or accept the gap with onTrimmed';
  return resultError('RESULT_TRIMMED', message, result, { after, oldest });
}

/** Creates the error of a result whose job has ended while the end of the result is missing. */
function incompleteError(result, after) {
  const message = `The job has ended for group '${result.group}', and the end of its result after ${after} is missing`;
  return resultError('RESULT_INCOMPLETE', message, result, { after });
}

/** Creates the error of a reader that waited too long for a chunk. */
function timeoutError(result, timeout, after) {
  const message = `No chunk of the result came from group '${result.group}' after ${after} within ${timeout} ms`;
  return resultError('RESULT_TIMEOUT', message, result, { after });
}

/** Creates the error of a chunk that the run cannot emit any more. */
function closedResultError(message) {
  return setErrorKind(new Error(message), 'RESULT_CLOSED');
}

module.exports = { closedResultError, failedError, incompleteError, timeoutError, trimmedError };
