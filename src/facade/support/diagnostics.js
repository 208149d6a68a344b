'use strict';

const { channel } = require('node:diagnostics_channel');

/*
 * Channels of node:diagnostics_channel. Without a subscriber no message is made. The check for subscribers runs once per
 * `send()`, and once per burst of received jobs.
 */
const channels = {
  send: channel('hfxbus:send'),
  sent: channel('hfxbus:sent'),
  receive: channel('hfxbus:receive'),
  settle: channel('hfxbus:settle'),
  claim: channel('hfxbus:claim'),
  exhaust: channel('hfxbus:exhaust'),
  trim: channel('hfxbus:trim'),
  remove: channel('hfxbus:remove'),
  connection: channel('hfxbus:connection'),
};

/** Returns true if a channel for sent jobs has a subscriber. */
function hasSendSubscribers() {
  return channels.send.hasSubscribers || channels.sent.hasSubscribers;
}

/** Returns true if a channel for runs has a subscriber. */
function hasRunSubscribers() {
  return channels.receive.hasSubscribers || channels.settle.hasSubscribers;
}

/** Publishes the message that `make` returns, if the channel has a subscriber. */
function publish(topic, make) {
  if (channels[topic].hasSubscribers) channels[topic].publish(make());
}

/** Calls the processor of a job, in the stores that subscribers have bound to the channel if Node supports this. */
function receive(message, processor) {
  const { receive: topic } = channels;
  if (typeof topic.runStores === 'function') return topic.runStores(message, processor, undefined, message.job);
  topic.publish(message);
  return processor(message.job);
}

/** Returns the headers for a job as JSON, or `null` without headers. */
function packHeaders(headers) {
  const kept = textsOf(headers);
  return kept.length > 0 ? JSON.stringify(Object.fromEntries(kept)) : null;
}

/** Parses the headers of a job. Invalid headers are an empty object. */
function readHeaders(text) {
  try {
    return Object.fromEntries(textsOf(JSON.parse(text)));
  } catch {
    return {};
  }
}

function textsOf(headers) {
  return Object.entries(headers ?? {}).filter(([, value]) => typeof value === 'string');
}

if (process.env.DEBUG) require('./debug.js').print(channels);

module.exports = { channels, hasSendSubscribers, hasRunSubscribers, publish, receive, packHeaders, readHeaders };
