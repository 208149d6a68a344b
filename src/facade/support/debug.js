'use strict';

const debug = require('debug');
const { read } = require('./guarded-read.js');

/*
 * DEBUG=hfxbus:* prints the messages of the channels on stderr. This file is loaded only if DEBUG is set, and subscribes only
 * to the channels that DEBUG names, so that the bus makes no other messages.
 */

/** Property of a channel with the subscriber that prints it. */
const PRINTER = Symbol.for('hfxbus printer');

/** Format and arguments of a printed message, by the last part of the channel's name. */
const LINES = {
  send: ({ job, stream, waitFor }) => ['%s to %s%s', job.id, stream, waitFor.length > 0 ? `, for ${waitFor}` : ''],
  sent: ({ job, stream, error }) => ['%s to %s%s', job.id, stream, because(error)],
  receive: (message) => ['%s', jobOf(message)],
  settle: (message) => ['%s: %s%s', jobOf(message), message.outcome, because(message.error)],
  claim: (message) => ['%s', entryOf(message)],
  exhaust: (message) => ['%s%s', entryOf(message), message.entry.moved ? ', moved to the dead letters' : ''],
  trim: ({ stream, group, count, pending }) => [
    '%d %s entries of %s for %s are gone',
    count,
    pending ? 'pending' : 'undelivered',
    stream,
    group,
  ],
  remove: ({ stream, group, consumers }) => ['idle consumers of %s on %s: %s', group, stream, consumers.join(', ')],
  connection: ({ node, index, client, state, error }) => {
    const which = node ?? (index === undefined ? 'all' : `node ${index}`);
    return ['%s%s: %s%s', which, client === undefined ? '' : `, client ${client}`, state, because(error)];
  },
};

function jobOf({ job, stream, group }) {
  return `${job.id} of ${stream} for ${group}`;
}

function entryOf({ group, entry: { id, stream, consumerId, idleTime, deliveryCount, data } }) {
  return `${data.job} of ${stream} for ${group}, entry ${id} of ${consumerId}, idle for ${idleTime} ms, delivery ${deliveryCount}`;
}

/** Returns code and message of an error, which can be any thrown value. */
function because(error) {
  if (error === undefined || error === null) return '';
  const [code, message] = [read(error, 'code'), read(error, 'message')];
  return `, ${[code, message ?? typeof error].filter((part) => typeof part === 'string').join(' ')}`;
}

/** @param {Record<string, import('node:diagnostics_channel').Channel>} channels by the last part of their names */
function print(channels) {
  for (const [topic, line] of Object.entries(LINES)) {
    const log = debug(`hfxbus:${topic}`);
    if (!log.enabled) continue;
    const channel = channels[topic];
    const printer = (message) => log(...line(message));
    // The channels are the same for each load of this file. The last one prints, so that nothing is printed twice.
    if (channel[PRINTER] !== undefined) channel.unsubscribe(channel[PRINTER]);
    channel[PRINTER] = printer;
    channel.subscribe(printer);
  }
}

module.exports = { print };
