'use strict';

const { HttpError } = require('../http-error.js');

/** Maximum number of open streams of events. */
const MOST = 250;
/** Time after which a stream of events ends, in ms. The browser opens the next one, which is authorized again. */
const LONGEST = 300_000;

/** Server-sent events: a page again after each poll. A reader that is slow gets the newest page only. */
class Live {
  #poller;
  #pages;
  #open = new Set();

  constructor(poller, pages) {
    this.#poller = poller;
    this.#pages = pages;
  }

  /** Number of open streams of events. */
  get size() {
    return this.#open.size;
  }

  /** Returns the response with the events of a page. */
  respond(name, query) {
    if (!this.#pages.isPolled(name)) throw new HttpError(404, 'There are no events of this page.');
    if (this.#open.size >= MOST) throw new HttpError(503, 'Too many pages are open.');
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' },
      stream: (writer) => this.#start(name, query, writer),
    };
  }

  /**
   * Starts to write events; returns the function that ends it.
   * @param {{ isFull: () => boolean, write: (text: string) => void, end: () => void }} writer
   */
  #start(name, query, writer) {
    const send = () => {
      if (writer.isFull()) return;
      // A page that shows a stream keeps it in the focus of the poller.
      const stream = query.get('stream');
      if (stream !== null) this.#look(Number(query.get('bus') ?? 0), stream);
      writer.write(this.#event(name, query));
    };
    const unsubscribe = this.#poller.subscribe(send);
    const timer = setTimeout(() => end(), LONGEST);
    timer.unref();
    const stop = () => {
      clearTimeout(timer);
      unsubscribe();
      this.#open.delete(end);
    };
    const end = () => {
      stop();
      writer.end();
    };
    this.#open.add(end);
    this.#look();
    writer.write(`retry: 3000\n\n`);
    return stop;
  }

  /** Notes a look. The page itself, and not its events, tells a failure. */
  #look(...about) {
    this.#poller.look(...about).catch(() => {});
  }

  #event(name, query) {
    try {
      return `data: ${this.#pages.polled(name, query)}\n\n`;
    } catch (error) {
      // A failure of one page must not end the polls of others.
      const message = error instanceof HttpError ? error.message : 'The dashboard has failed.';
      return `event: failure\ndata: ${JSON.stringify({ message })}\n\n`;
    }
  }

  close() {
    for (const end of [...this.#open]) end();
  }
}

module.exports = { Live };
