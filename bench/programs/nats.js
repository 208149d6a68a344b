'use strict';

const { Errors } = require('../errors.js');
const { Slots } = require('../slots.js');

/** Number of messages of a backlog that are published at once. */
const AT_ONCE = 1000;
/** At least so many messages are on their way to a consumer. */
const AHEAD = 100;
const DURABLE = 'bench';

/**
 * Program of a NATS user: a JetStream stream, a pull consumer that acknowledges each message, and answers
 * as plain messages. Payloads are in the messages.
 */
class NatsProgram {
  #nats;
  #connection;
  #inbound;
  #inbox;
  #requests = 0;
  #waiting = new Map();
  #streams = new Map();
  #storage;

  errors = new Errors();

  /**
   * @param {object} nats the packages for transport and JetStream
   * @param {object} options
   * @param {number[]} options.ports of the server
   * @param {number} [options.payload] how long a request and its answer are
   * @param {string} [options.appendfsync] the stream is in a file with it, and in memory without
   */
  constructor(nats, { ports: [port], payload = 0, appendfsync }) {
    this.#nats = nats;
    this.#storage = appendfsync ? 'file' : 'memory';
    this.#connection = nats.connect({ servers: `127.0.0.1:${port}` });
    this.#inbound = payload ? Buffer.alloc(payload, 'x') : undefined;
  }

  /** Publishes one message, with a payload if there is one. */
  async send(payload) {
    const jetstream = await this.#jetstream('bench');
    await jetstream.publish('bench', payload);
  }

  /** Ready to make requests. */
  async listen() {
    const connection = await this.#connection;
    await this.#jetstream('bench');
    this.#inbox = this.#nats.createInbox();
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error) this.errors.add(error);
        const request = message.subject.slice(this.#inbox.length + 1);
        this.#waiting.get(request)?.(message);
        this.#waiting.delete(request);
      },
    });
    await connection.flush();
  }

  /** A round trip: the request is kept by JetStream, the answer is not. */
  async request() {
    const jetstream = await this.#jetstream('bench');
    const request = String(this.#requests++);
    const answer = new Promise((resolve) => this.#waiting.set(request, resolve));
    const headers = this.#nats.headers();
    headers.set('reply', `${this.#inbox}.${request}`);
    await jetstream.publish('bench', this.#inbound ?? 'Hello ', { headers });
    const { data } = await answer;
    const isRight = this.#inbound
      ? data.length === this.#inbound.length
      : Buffer.from(data).toString() === 'Hello world!';
    if (!isRight) throw new Error('wrong answer');
  }

  /** Answers requests. */
  async serve(concurrency) {
    const connection = await this.#connection;
    const messages = await this.#consume('bench', concurrency);
    this.#run(messages, concurrency, async (message) => {
      const outbound = this.#inbound ? message.data : `${message.string()}world!`;
      connection.publish(message.headers.get('reply'), outbound);
    });
  }

  /** Publishes messages without payload at once. */
  async sendAll(stream, count) {
    const jetstream = await this.#jetstream(stream);
    await Promise.all(Array.from({ length: count }, () => jetstream.publish(stream)));
  }

  /** Writes a backlog. */
  async fill(stream, jobs) {
    for (let done = 0; done < jobs; done += AT_ONCE) await this.sendAll(stream, Math.min(AT_ONCE, jobs - done));
  }

  /** Runs a backlog until `isOver` returns true, called after each job. Resolves when all acknowledgements have arrived. */
  async drain(stream, concurrency, onJob, isOver) {
    const messages = await this.#consume(stream, concurrency);
    const running = this.#run(messages, concurrency, async () => onJob());
    await isOver;
    messages.stop();
    await running;
    await (await this.#connection).flush();
  }

  /** A client for a stream that is there. */
  async #jetstream(name) {
    if (!this.#streams.has(name)) this.#streams.set(name, this.#create(name));
    return this.#streams.get(name);
  }

  async #create(name) {
    const connection = await this.#connection;
    const manager = await this.#nats.jetstreamManager(connection);
    await manager.streams.add({ name, subjects: [name], storage: this.#storage, retention: 'workqueue' });
    return this.#nats.jetstream(connection);
  }

  async #consume(stream, concurrency) {
    const jetstream = await this.#jetstream(stream);
    const manager = await this.#nats.jetstreamManager(await this.#connection);
    const config = { durable_name: DURABLE, ack_policy: 'explicit', max_ack_pending: -1 };
    await manager.consumers.add(stream, config);
    const consumer = await jetstream.consumers.get(stream, DURABLE);
    return consumer.consume({ max_messages: Math.max(AHEAD, 2 * concurrency) });
  }

  /** Runs messages, so many at once, until there are no more. */
  async #run(messages, concurrency, processor) {
    const slots = new Slots(concurrency);
    for await (const message of messages) {
      await slots.take();
      processor(message)
        .then(() => message.ack())
        .catch((error) => this.errors.add(error))
        .finally(() => slots.give());
    }
  }
}

module.exports = { NatsProgram };
