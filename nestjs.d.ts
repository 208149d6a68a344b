/**
 * hfxbus/nestjs: a transport for NestJS 10 to 12. Each pattern is a stream, each service a group.
 *
 * It needs `@nestjs/common`, `@nestjs/microservices` and `rxjs` of the application. Nest 12 is an ES module, which needs Node
 * 20.19, 22.12 or later.
 *
 * @packageDocumentation
 */

import type {
  ConsumerDeserializer,
  ConsumerSerializer,
  ProducerDeserializer,
  ProducerSerializer,
} from '@nestjs/microservices';
import { BaseRpcContext, ClientProxy, Server } from '@nestjs/microservices';
import type {
  ConnectionManager,
  Consumer,
  IConsumerOptions,
  IProcessOptions,
  IReceivedJob,
  ISendOptions,
  IStandaloneOptions,
  IUrl,
  Producer,
} from 'hfxbus';

/** Id of the transport, for handlers of a hybrid application that belong to this transport only. */
export declare const HFXBUS_TRANSPORT: unique symbol;

/** Options of both sides. */
export interface HfxbusConnectionOptions {
  /**
   * Manager of the application, which stays open. Or options or a URL of one Redis, whose connection ends with the server or the
   * client.
   * @default Redis on localhost:6379
   */
  connection?: ConnectionManager | IStandaloneOptions | string | IUrl | undefined;
  /**
   * Maximum time that a close waits for jobs in flight, in ms.
   * @default 10000
   */
  maxWait?: number | undefined;
}

/** Options of a server. */
export interface HfxbusServerOptions extends HfxbusConnectionOptions {
  /** Name of the group: the service. Every group gets every event, and one server of the group handles it. */
  group: string;
  /**
   * Options of the consumer, except for `group`. By default its `concurrency` is 100, and its `route` all nodes. `claimInterval` lets failed events, and the
   * messages of a server that is gone, be handled again.
   * @default {}
   */
  consumer?: Omit<IConsumerOptions, 'group'> | undefined;
  /**
   * Options of each stream, such as `deadline` and `fromId`.
   * @default {}
   */
  process?: Omit<IProcessOptions, 'stream' | 'processor' | 'batch'> | undefined;
  /**
   * Time for which Redis keeps the key of a reply that is too large for a completion, in ms.
   * @default 600000
   */
  responseTtl?: number | undefined;
  /** Converts replies before they are JSON. */
  serializer?: ConsumerSerializer | undefined;
  /** Converts requests after they were JSON. */
  deserializer?: ConsumerDeserializer | undefined;
}

/**
 * Strategy of a microservice: runs its handlers as a consumer of a group. The stream of a handler is its pattern; that of a
 * pattern that is an object is its JSON, as in Nest's other transports.
 *
 * A reply settles its job, also one with an error. A failed event handler fails its job, which `claimInterval` and `deadLetter`
 * of the consumer then apply to. `new RpcException({ message, retry: false })` is not delivered again.
 */
export declare class HfxbusServer extends Server {
  /** @throws TypeError or RangeError that names the option */
  constructor(options: HfxbusServerOptions);
  /** Starts to read. Called by Nest. */
  listen(callback: (...optionalParams: unknown[]) => any): void;
  /** Stops to read, and waits for the handlers that run, at most `maxWait` ms. Called by Nest. */
  close(): Promise<void>;
  /** Adds a listener for an event of the consumer. */
  on(event: any, listener: any): any;
  /** Returns the consumer. Throws an Error before `listen()`. */
  unwrap<T = Consumer>(): T;
}

/** Options of a client. */
export interface HfxbusClientOptions extends HfxbusConnectionOptions {
  /** Group that replies to `send()`: the service. `emit()` does not need it, since every group gets an event. */
  group?: string | undefined;
  /**
   * Options of each job, such as `capped`. By default an entry is the only copy of its message, so that nothing must be removed
   * later. `{ payload: 'keys' }` is for messages of more than 1 MiB, whose keys the application removes.
   * @default { payload: 'entry', durable: { ttl: 60000 }, route: DISTRIBUTED_ROUTING }
   */
  send?: Omit<ISendOptions, 'stream' | 'job' | 'waitFor' | 'returns' | 'rejectOnError'> | undefined;
  /**
   * Maximum time of a request, in ms, after which it fails with `FINISH_TIMEOUT`; 0 for no limit.
   * @default 30000
   */
  timeout?: number | undefined;
  /** Converts requests and events before they are JSON. */
  serializer?: ProducerSerializer | undefined;
  /** Converts replies after they were JSON. */
  deserializer?: ProducerDeserializer | undefined;
}

/**
 * Client of services. Errors of `send()`:
 *
 * - the error of an `RpcException`, as in Nest's other transports
 * - `{ status: 'error', message: 'Internal server error' }` for other exceptions of a handler
 * - a text for a pattern that the group does not handle. Nothing is sent then
 * - an Error with code `FINISH_TIMEOUT`, or an object with code `DEADLINE_TIMEOUT` of the server
 *
 * The values of an Observable arrive together, after its end.
 */
export declare class HfxbusClient extends ClientProxy {
  /** @throws TypeError or RangeError that names the option */
  constructor(options?: HfxbusClientOptions);
  /** Resolves when Redis has answered. */
  connect(): Promise<void>;
  /** Ends all requests, with `CONNECTION_CLOSED`. */
  close(): Promise<void>;
  /** Adds a listener for an event of the ConnectionManager. */
  on(event: any, listener: any): any;
  /** Returns the producer. Throws an Error before `connect()`. */
  unwrap<T = Producer>(): T;
  protected publish(packet: any, callback: (packet: any) => void): () => void;
  protected dispatchEvent<T = any>(packet: any): Promise<T>;
}

/** Context of a handler, by `@Ctx()`. */
export declare class HfxbusContext extends BaseRpcContext<[IReceivedJob, string]> {
  /** Returns the received job, with its `signal`. */
  getJob(): IReceivedJob;
  /** Returns the pattern, which is the name of the stream. */
  getPattern(): string;
}

/** Health indicator for `@nestjs/terminus`, which it does not need. */
export declare class HfxbusHealthIndicator {
  /**
   * @param options.throws - true to reject instead of `down`, which terminus 10 needs. Default false, for terminus 11 and 12
   * @throws TypeError for another subject
   */
  constructor(subject: ConnectionManager | HfxbusServer | HfxbusClient, options?: { throws?: boolean | undefined });
  /**
   * Resolves with `up` if every node of the bus answers PING, and otherwise with `down` and the reason.
   *
   * @param options.timeout - maximum time, in ms. Default 1000
   */
  isHealthy<Key extends string>(
    key: Key,
    options?: { timeout?: number | undefined },
  ): Promise<Record<Key, { status: 'up'; responseTime: number } | { status: 'down'; message: string; code?: string }>>;
}
