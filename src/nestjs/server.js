'use strict';

const { Server } = require('@nestjs/microservices');
const { Consumer } = require('../facade/api/consumer.js');
const checks = require('../facade/options/validate.js');
const { DISTRIBUTED_ROUTING } = require('../facade/support/constants.js');
const { BusConnection, MAX_WAIT } = require('./bus-connection.js');
const { HfxbusContext } = require('./context.js');
const { REQUEST, RESPONSE, collect, errorData } = require('./packets.js');

/** Id of the transport, for handlers of a hybrid application that belong to this transport only. */
const HFXBUS_TRANSPORT = Symbol.for('hfxbus:nestjs');

/** Default options of the consumer: the number of messages that are handled at once, and all nodes of `nodes()`. */
const CONSUMER = { concurrency: 100, route: DISTRIBUTED_ROUTING };
/** Default time for which Redis keeps the key of a large reply, in ms. */
const RESPONSE_TTL = 600_000;

/** Strategy that runs the handlers of a Nest application as a consumer of a group. Each pattern is a stream. */
class HfxbusServer extends Server {
  #connection;
  #options;
  #consumer = null;
  #listeners = [];

  constructor(options) {
    super();
    const { group, connection, consumer, process, maxWait, responseTtl } = checks.object('options', options);
    if (group === undefined || group === null) throw new TypeError('group must be a string');
    this.transportId = HFXBUS_TRANSPORT;
    /** Tells Nest 12 that the failure of an event handler is the error of its job. */
    this.propagatesEventHandlerErrors = true;
    this.#options = {
      consumer: {
        ...CONSUMER,
        ...checks.object('consumer', consumer),
        group: checks.name('group', group),
      },
      process: checks.object('process', process),
      maxWait: checks.time('maxWait', maxWait, MAX_WAIT),
      responseTtl: checks.count('responseTtl', responseTtl, { least: 1, fallback: RESPONSE_TTL }),
    };
    this.#connection = new BusConnection(connection);
    this.initializeSerializer(options);
    this.initializeDeserializer(options);
  }

  /** Starts to read the streams of all patterns. */
  listen(callback) {
    this.#start().then(() => callback(), callback);
  }

  /** Stops to read, and waits for the handlers that run, at most `maxWait` ms. */
  async close() {
    const consumer = this.#consumer;
    this.#consumer = null;
    if (consumer === null) return;
    const { maxWait } = this.#options;
    if (this.#connection.isOwn) await this.#connection.stop(maxWait);
    else await consumer.pause(maxWait).catch((error) => this.logger.warn(error.message));
    this._status$?.next('disconnected');
  }

  /** Adds a listener for an event of the consumer. */
  on(event, listener) {
    this.#listeners.push([event, listener]);
    this.#consumer?.on(event, listener);
  }

  /** Returns the consumer. */
  unwrap() {
    if (this.#consumer === null) throw new Error('The server does not listen: call listen() first');
    return this.#consumer;
  }

  /** @internal Returns the connection, for the health indicator. */
  busConnection() {
    return this.#connection;
  }

  async #start() {
    const consumer = new Consumer(this.#connection.manager, this.#options.consumer);
    consumer.on('error', (error) => this.logger.error(error));
    for (const [event, listener] of this.#listeners) consumer.on(event, listener);
    for (const [pattern, handler] of this.messageHandlers) {
      const processor = (job) => this.#handle(pattern, handler, job);
      consumer.process({ ...this.#options.process, stream: pattern, processor });
    }
    // From here on a close ends it, also before it plays.
    this.#consumer = consumer;
    try {
      if (this.messageHandlers.size > 0) await consumer.play();
    } catch (error) {
      await this.close();
      throw error;
    }
    this._status$?.next('connected');
  }

  async #handle(pattern, handler, job) {
    const { [REQUEST]: message } = await job.get(REQUEST, false).pull();
    if (message instanceof Error) throw message;
    const packet = await this.deserializer.deserialize(message, { channel: pattern });
    const context = new HfxbusContext([job, pattern]);
    const isEvent = packet.id === undefined || handler.isEventHandler;
    const packets = await this.#run(context, () => this.#call(handler, packet.data, context));
    if (!isEvent) return await this.#reply(job, packets, packet.id);
    const { err } = packets.at(-1);
    // The error of the job, which a consumer with claimInterval delivers again.
    if (err !== undefined) throw err;
  }

  /** Calls a handler. @returns packets of its reply */
  async #call(handler, data, context) {
    try {
      return await collect(this.transformToObservable(await handler(data, context)), context.getJob().signal);
    } catch (error) {
      return [{ err: errorData(error), isDisposed: true }];
    }
  }

  /** Runs `act` within the hooks of Nest 11 and later. */
  #run(context, act) {
    if (this.onProcessingStartHook === undefined) return act();
    return new Promise((resolve, reject) => {
      this.onProcessingStartHook(this.transportId, context, async () => {
        try {
          resolve(await act());
        } catch (error) {
          reject(error);
        } finally {
          this.onProcessingEndHook?.(this.transportId, context);
        }
      });
    });
  }

  async #reply(job, packets, id) {
    try {
      job.set(RESPONSE, await this.#serialized(packets, id), this.#options.responseTtl);
    } catch (error) {
      this.logger.error(error);
      const failure = { err: { status: 'error', message: 'Internal server error' }, isDisposed: true };
      job.set(RESPONSE, await this.#serialized([failure], id), this.#options.responseTtl);
    }
  }

  #serialized(packets, id) {
    return Promise.all(
      packets.map(({ err, ...packet }) => {
        return this.serializer.serialize({ id, ...packet, ...(err !== undefined && { err: errorData(err) }) });
      }),
    );
  }
}

module.exports = { HFXBUS_TRANSPORT, HfxbusServer };
