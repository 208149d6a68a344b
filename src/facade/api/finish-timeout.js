'use strict';

const { setErrorKind } = require('../support/errors.js');

/** Maximum number of groups, or keys, in a message. The property `diagnosis` has all. */
const MOST_NAMED = 5;
/** Time without a read from which a consumer counts as paused or gone, in ms. */
const AT_REST = 2000;
/** Time without any command from which a consumer counts as gone, in ms. */
const LOST = 60_000;

/** Sentences for the states of a group. */
const SENTENCES = {
  completed: ({ group }) => `group ${group} has completed the job`,
  failed: ({ group, error, deliveries }) => {
    const often = deliveries === null ? '' : `, delivered ${times(deliveries)}`;
    return `group ${group} failed${often}, last error: ${textOf(error)}`;
  },
  absent: ({ group }, { stream, node, others, isPartitioned }) => {
    const known = others.length > 0 ? ` (there is ${named(others)})` : '';
    const route = isPartitioned ? ', or another route, which producer and consumer need to share' : '';
    return `group ${group} does not exist on ${stream} at ${node}${known}: no consumer of it has called play(), or it has another keyPrefix or db${route}`;
  },
  waiting: ({ group, consumers, lastRead, lag, pending }, { stream }) => {
    const begin = `group ${group} has not been given the job:`;
    if (consumers === 0) return `${begin} it has no consumer on ${stream}; a consumer reads after play()`;
    const why = pending === 0 ? 'paused or gone' : 'busy, paused or gone';
    if (lastRead > AT_REST) return `${begin} no consumer has read for ${duration(lastRead)}, so it is ${why}`;
    return `${begin} its consumers (${consumers ?? 'some'}) are busy or behind, entries to be read: ${lag ?? 'some'}`;
  },
  pending: ({ group, owner, ownerSeen, idle, deliveries }) => {
    const begin = `group ${group} has not acknowledged the job, delivered ${times(deliveries)}:`;
    if (Math.min(ownerSeen ?? 0, idle) > LOST) {
      return `${begin} consumer ${owner} has not been seen for ${duration(ownerSeen)}; a consumer with claimInterval takes it over`;
    }
    return `${begin} consumer ${owner} runs it, or its run failed and it waits to be claimed (touched ${duration(idle)} ago)`;
  },
  passed: ({ group, isLater }) => {
    const later = "it was made after the job was sent; play() comes before send(), or process() takes fromId: '0'";
    const begin = `group ${group} does not wait for the job:`;
    return isLater ? `${begin} ${later}` : `${begin} it has acknowledged it and the completion was lost, or ${later}`;
  },
  gone: ({ group }, { stream, node, exists }) => {
    const what = exists
      ? `the entry is gone from ${stream}, deleted or trimmed`
      : `stream ${stream} is gone from ${node}`;
    return `${what}: group ${group} cannot complete the job any more, if it has not`;
  },
};

/**
 * Creates the error of a `finished()` that has timed out.
 * @param {number | string} timeout timeout as given by the user
 * @param {string | null} text diagnosis of the engine in JSON; null without one
 * @param {{ isPartitioned: boolean, unpushed: string[] }} about properties of the bus, and payload keys that were not pushed
 */
function finishTimeout(timeout, text, { isPartitioned, unpushed }) {
  const message = `Timeouted while waiting to be finished: ${timeout}ms`;
  const diagnosis = text === null ? null : diagnosisOf(JSON.parse(text), isPartitioned, unpushed);
  const error = new Error(diagnosis === null ? message : printable([message, ...reasons(diagnosis)].join('; ')));
  if (diagnosis !== null) error.diagnosis = diagnosis;
  return setErrorKind(error, 'FINISH_TIMEOUT');
}

function diagnosisOf({ groups, others, exists, ...place }, isPartitioned, unpushed) {
  const about = { ...place, others, exists, isPartitioned };
  const described = groups.map(({ isLater, ...group }) => {
    return { ...group, reason: printable(SENTENCES[group.state]({ ...group, isLater }, about)) };
  });
  return { ...place, groups: described, unpushed };
}

function reasons({ groups, unpushed }) {
  const open = groups.filter(({ state }) => state !== 'completed').map(({ reason }) => reason);
  const more = open.length > MOST_NAMED ? [`and ${open.length - MOST_NAMED} groups more`] : [];
  const forgotten =
    unpushed.length > 0 ? [`set after send() and not pushed: ${named(unpushed)}; await job.push()`] : [];
  return [...open.slice(0, MOST_NAMED), ...more, ...forgotten];
}

function named(names) {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return names.slice(0, MOST_NAMED).join(', ') + more;
}

function times(count) {
  return count === 1 ? 'once' : `${count} times`;
}

/** Returns the text of a published error, which can be any JSON value. */
function textOf(error) {
  const text = typeof error === 'string' ? error : (error?.message ?? error?.name);
  return typeof text === 'string' ? text.slice(0, 200) : 'not an error';
}

function duration(ms) {
  if (ms === null || ms === undefined) return 'some time';
  if (ms < 1000) return `${ms} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

/** Replaces control characters, since names can contain them and a message is one line. */
function printable(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject of this function
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, '\ufffd');
}

module.exports = { finishTimeout };
