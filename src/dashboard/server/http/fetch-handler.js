'use strict';

const { HttpError } = require('../http-error.js');

/**
 * Returns a handler for frameworks of the Fetch standard.
 * @param {import('./router.js').Router} router
 */
function fetchHandler(router) {
  return async (request) => {
    const { status, headers, body, stream } = await router.respond(incoming(request));
    const content = request.method === 'HEAD' ? null : stream ? readable(stream, request.signal) : (body ?? null);
    return new Response(content, { status, headers });
  };
}

function incoming(request) {
  const { pathname, search } = new URL(request.url);
  return {
    method: request.method,
    url: `${pathname}${search}`,
    // A client of a framework without a server sends no header Host.
    header: (name) => request.headers.get(name) ?? (name === 'host' ? new URL(request.url).host : null),
    body: (most) => bodyOf(request, most),
    raw: request,
  };
}

async function bodyOf(request, most) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > most) throw new HttpError(413, 'The body is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function readable(start, signal) {
  const encoder = new TextEncoder();
  let stop = () => {};
  return new ReadableStream({
    start(controller) {
      stop = start({
        isFull: () => controller.desiredSize <= 0,
        write: (text) => controller.enqueue(encoder.encode(text)),
        end: () => controller.close(),
      });
      signal?.addEventListener('abort', () => stop(), { once: true });
    },
    cancel() {
      stop();
    },
  });
}

module.exports = { fetchHandler };
