'use strict';

const checks = require('../../options/validate.js');
const timers = require('../../support/timers.js');

/** Default of the time between comments that keep a connection open, in ms. */
const HEARTBEAT = 15_000;

/** Converts chunks of a result into server-sent events, as a `ReadableStream` of bytes. */
function eventStream(results, options) {
  if (typeof results?.[Symbol.asyncIterator] !== 'function') {
    throw new TypeError('results must be an asynchronous iterable, such as job.results()');
  }
  const given = checks.count('heartbeat', checks.object('options', options).heartbeat, {
    least: 0,
    fallback: HEARTBEAT,
  });
  const iterator = results[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let heartbeat;
  const end = () => timers.clearInterval(heartbeat);
  return new ReadableStream({
    start(controller) {
      if (given === 0) return;
      heartbeat = timers.setInterval(() => {
        if (controller.desiredSize > 0) controller.enqueue(encoder.encode(':\n\n'));
      }, given);
    },
    async pull(controller) {
      const [event, isLast] = await nextEvent(iterator);
      controller.enqueue(encoder.encode(event));
      if (!isLast) return;
      end();
      controller.close();
    },
    async cancel() {
      end();
      await iterator.return?.();
    },
  });
}

/** Returns the text of the next event, and true if it is the last one. */
async function nextEvent(iterator) {
  try {
    const { done, value: chunk } = await iterator.next();
    if (done) return ['event: end\ndata: null\n\n', true];
    const restart = chunk.restarted ? 'event: restart\ndata: null\n\n' : '';
    return [`${restart}id: ${chunk.id}\ndata: ${dataOf(chunk.value)}\n\n`, false];
  } catch (error) {
    // The message can have secrets. With the id a browser that connects again waits for the next run.
    const id = error?.id === undefined ? '' : `id: ${error.id}\n`;
    // The code of an AbortError is a number.
    const code = typeof error?.code === 'string' ? error.code : 'ERROR';
    return [`${id}event: failed\ndata: ${JSON.stringify({ code })}\n\n`, true];
  }
}

/** Returns JSON, which has no line breaks. Bytes become their base64. */
function dataOf(value) {
  return JSON.stringify(ArrayBuffer.isView(value) ? Buffer.from(value).toString('base64') : value);
}

module.exports = { eventStream };
