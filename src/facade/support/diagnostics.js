'use strict';

const { channel } = require('node:diagnostics_channel');

/*
 * What is told to whoever watches the bus from beside the program, by node:diagnostics_channel. Without a subscriber nothing
 * is made for it: of jobs it is asked once per `send()` and once per burst of received ones whether there is any.
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

/** Whether anybody wants to know of jobs that are sent. */
function hasSendSubscribers() {
  return channels.send.hasSubscribers || channels.sent.hasSubscribers;
}

/** Whether anybody wants to know of jobs that are run. */
function hasRunSubscribers() {
  return channels.receive.hasSubscribers || channels.settle.hasSubscribers;
}

/** Publishes what `make` makes, if anybody wants to know. */
function publish(topic, make) {
  if (channels[topic].hasSubscribers) channels[topic].publish(make());
}

/** Calls the processor of a job within whatever subscribers have bound to the channel, where Node has that. */
function receive(message, processor) {
  const { receive: told } = channels;
  if (typeof told.runStores === 'function') return told.runStores(message, processor, undefined, message.job);
  told.publish(message);
  return processor(message.job);
}

/** What subscribers want to be sent along with a job, as text; none if that is nothing. */
function packHeaders(headers) {
  const kept = textsOf(headers);
  return kept.length > 0 ? JSON.stringify(Object.fromEntries(kept)) : null;
}

/** What was sent along with a job, by whomever. */
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
