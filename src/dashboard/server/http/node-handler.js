'use strict';

const { HttpError } = require('../http-error.js');

/**
 * Returns a handler for `node:http` and for frameworks on top of it.
 * @param {import('./router.js').Router} router
 */
function nodeHandler(router) {
  return async (req, res) => {
    const response = await router.respond(incoming(req));
    // The client has gone, or another handler has answered.
    if (res.destroyed || res.headersSent) return;
    res.writeHead(response.status, response.headers);
    if (req.method === 'HEAD') res.end();
    else if (response.stream) pipe(response.stream, res);
    else res.end(response.body);
  };
}

function incoming(req) {
  return {
    method: req.method,
    // A framework can have removed the path at which it mounts the handler.
    url: req.originalUrl ?? req.url,
    header: (name) => {
      const value = req.headers[name];
      return value === undefined ? null : String(value);
    },
    body: (most) => bodyOf(req, most),
    raw: req,
  };
}

/** Resolves with the body. A parser of the framework can have read it already. */
async function bodyOf(req, most) {
  if (req.body !== undefined && req.readableEnded) {
    return typeof req.body === 'string' ? req.body : JSON.stringify(req.body);
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > most) throw new HttpError(413, 'The body is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function pipe(start, res) {
  const write = (text) => {
    res.write(text);
    // Middleware that compresses responses adds this method.
    res.flush?.();
  };
  const stop = start({
    isFull: () => res.writableNeedDrain || res.destroyed,
    write,
    end: () => res.end(),
  });
  res.once('close', stop);
}

module.exports = { nodeHandler };
