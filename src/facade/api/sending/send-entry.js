'use strict';

const { Job } = require('../job.js');
const checks = require('../../options/validate.js');
const diagnostics = require('../../support/diagnostics.js');
const { orderKey, partitionCount } = require('../partitioning/partition-counts.js');
const { choosePayload } = require('../payload/send-payload.js');
const { extentOf } = require('./send-parts.js');
const { groupsOf, jobId, length, onceAndDelay, recordTime, routeOf } = require('./send-options.js');

/** @typedef {import('../connection-manager.js').ConnectionManager} ConnectionManager */

/**
 * Validates the options of a send, and returns what its entry will be.
 * @param {unknown} options
 * @param {ConnectionManager} connection
 */
function entryOf(options, connection) {
  const given = checks.object('options', options);
  const { stream, route, job, capped, waitFor, rejectOnError, durable, key, partitions } = given;
  const id = jobId(job);
  const once = onceAndDelay(given, id);
  const groups = groupsOf(waitFor);
  if (groups && !Object.isExtensible(job)) throw new TypeError('job must be extensible to be waited for');
  if (once && !Object.isExtensible(job)) throw new TypeError('job must be extensible to be sent with an id or a delay');
  const name = checks.name('stream', stream);
  const leadsBy = connection.isPartitioned ? routeOf(route, name) : name;
  if (once && leadsBy === null)
    throw new TypeError('id and delay need a route: DISTRIBUTED_ROUTING has one for each job');
  const cap = length(capped);
  if (cap > 0 && connection.retention.isOn) {
    throw new TypeError(
      "capped removes entries that were not read, which retain: 'acknowledged' prevents: use backlogLimit",
    );
  }
  const least = partitions === undefined ? 0 : partitionCount(partitions);
  if (least > 0 && route !== undefined && route !== null) {
    throw new TypeError('route must not be given with partitions');
  }
  const record = recordTime(durable);
  const endsAtError = Boolean(rejectOnError);
  return {
    given,
    job,
    id,
    name,
    leadsBy,
    key: key === undefined ? null : orderKey(key),
    least,
    partitions: least === 0 ? 0 : connection.partitionCounts.known(name, least),
    groups,
    cap,
    record,
    endsAtError,
    once,
    headers: null,
    payload: null,
    isOnlyCopy: false,
    extent: null,
    wait: null,
    backlog: null,
  };
}

/** Validates the options of a send, and the payload of its job too. */
function entryWithPayload(options, connection) {
  const entry = entryOf(options, connection);
  const payload = payloadOf(entry);
  checkOnce(entry, payload, connection);
  return measure(entry, payload);
}

/** Refuses payload keys on other servers, since those of a duplicate would replace those of the first send. */
function checkOnce({ once }, payload, connection) {
  if (once === null || payload === null || connection.hasOneServer || payload.keys.length === 0) return;
  throw new TypeError("id and delay need payload: 'entry' for values on a Cluster and on several nodes");
}

/** Chooses the payload that leaves with an entry. */
function payloadOf({ given, job, cap, groups }) {
  return choosePayload(Job.sendable(job), given, { isCapped: cap > 0, isAwaited: groups !== null });
}

/** Chooses the payload. Subscribers that have the message of a send get that of its refusal too. */
function payloadOrPublish(entry, message) {
  try {
    return payloadOf(entry);
  } catch (error) {
    diagnostics.channels.sent.publish(Object.assign(message, { error }));
    throw error;
  }
}

/** Validates the payload of an entry, and notes its size. */
function measure(entry, payload = payloadOf(entry)) {
  entry.isOnlyCopy = payload?.isOnlyCopy ?? false;
  entry.extent = extentOf(entry, payload);
  return entry;
}

module.exports = { checkOnce, entryOf, entryWithPayload, measure, payloadOf, payloadOrPublish };
