/**
 * hfxbus: a message bus on Redis Streams and Pub/Sub.
 *
 * A job is an id in a stream plus payload keys beside it. Producers send jobs, consumers of any number of groups run
 * them, and each group's completion comes back to the producer.
 *
 * These types need nothing but the language's own: neither `@types/node` nor those of a Redis client.
 *
 * @packageDocumentation
 */

import type { RedisCommand } from './redis-commands';

declare global {
  // As `@types/node` has it, for who compiles without the language's own.
  interface SymbolConstructor {
    /** What `await using` calls. */
    readonly asyncDispose: unique symbol;
  }
}

// ---------------------------------------------------------------------------------------------------------- Constants

/** How many characters a generated id has; ids of jobs, producers and consumers are made of `A-Za-z0-9_-`. */
export declare const HFXBUS_ID_SIZE: 16;

/**
 * As a route: a producer spreads jobs over all nodes of `nodes()` by their ids, and a consumer reads from all of them. On
 * one Redis, and on a Cluster, it has no effect.
 *
 * Not registered with `Symbol.for`: each copy of the package has its own.
 */
export declare const DISTRIBUTED_ROUTING: unique symbol;

// ------------------------------------------------------------------------------------------------------------- Errors

/**
 * Defines an enumerable property that stays as it is.
 *
 * @returns whether that was possible; a second call with another value returns false
 * @throws TypeError if `object` is none
 */
export declare function withValue(object: any, property: string, value: any): boolean;

/**
 * Sets `code` and `errno` of an error, for good: the first kind that an error is given stays.
 *
 * @returns the same error
 * @throws TypeError if `error` is no object
 */
export declare function setErrorKind<T extends Error>(error: T, kind: string): T & { code?: string; errno?: string };

/**
 * An error reply of Redis, or a command that got no reply.
 *
 * `code` is the first word of an error reply (`WRONGTYPE`, `NOAUTH`, …) or the name of a socket's error
 * (`ECONNREFUSED`, `ENOTFOUND`, …), or else one of
 *
 * | code | meaning |
 * |---|---|
 * | `CONNECTION_CLOSED` | the connection was closed for good: `stop()`, or `retryStrategy` gave up |
 * | `CONNECTION_LOST` | it dropped after the command was sent, and the command must not be sent twice |
 * | `CONNECTION_FAILED` | it could not be made, and the system names no reason |
 * | `MAX_RETRIES` | as many reconnections failed as `maxRetriesPerRequest` allows |
 * | `NOT_READY` | there is no connection, and `enableOfflineQueue` is false |
 * | `QUEUE_FULL` | as many commands wait for a reply as `maxQueuedCommands` and `maxQueuedBytes` allow; it was not sent |
 * | `COMMAND_TIMEOUT` | no reply within `commandTimeout` |
 * | `PROTOCOL_ERROR` | what came is no reply of a Redis |
 * | `NODE_EJECTED` | the node is out of the ring, see {@link IEjectOptions}; what was sent before may have been carried out |
 * | `UNSUPPORTED_COMMAND` | a {@link RedisClient} does not send it |
 */
export interface IRedisError extends Error {
  /** `ReplyError`, `MaxRetriesPerRequestError` or `Error`. */
  name: string;
  /**
   * For replies Redis' own text. It holds neither arguments nor a password; only of a command of yours that Redis does
   * not know it repeats what that begins with.
   */
  message: string;
  /** See above. Errors that come by an `'error'` event have the event's code here instead. */
  code: string;
  /** The same as `code`, where an event set it. */
  errno?: string;
  /** The command that failed, in upper case. */
  command?: string;
  /** `host:port`, or the path of the socket. */
  node?: string;
  /** The last reason why there is no connection, where that is what it failed for, such as `ECONNREFUSED`. */
  cause?: unknown;
}

/** What a producer's `'error'` event gives. */
export interface IProducerError extends Error {
  /**
   * - `MESSAGE_PARSING`: a message on a completion channel is not ours; see `pubsub`. It is skipped.
   * - `LISTENER_ERROR`: a listener of a stream event threw this.
   * - `EVENTS_DROPPED`: so many completions (`count`) came while the event loop was blocked that no more were kept for
   *   listeners. What `job.finished()` waits for always is.
   */
  code: string;
  /** The same as `code`. */
  errno?: string;
  /** With `MESSAGE_PARSING`: the message, parsed as far as it could be, and where it came from. */
  pubsub?: { message: any; channel: string };
  /** With `EVENTS_DROPPED`: how many. */
  count?: number;
}

/** What a consumer's `'error'` event gives. */
export interface IConsumerError extends Error {
  /**
   * - `CONSUME_ERROR`: reading failed; it is tried again, after a while that grows with each failure.
   * - `UNHANDLED_JOB_ERROR`: a processor threw this after its job was settled; see `job`.
   * - `REJECT_JOB_ERROR`: Redis could not be told how a job ended; it stays pending. See `job`. After ten such errors in a
   *   second there is one for all others of that second, without `job` and with their `count`.
   * - `FOREIGN_ENTRY`: an entry in the stream is not ours.
   * - `LISTENER_ERROR`: a listener of `'drained'` threw this.
   */
  code: string;
  /** The same as `code`. */
  errno?: string;
  /** The job that it is about. */
  job?: IReceivedJob;
  /** With `REJECT_JOB_ERROR`: how many jobs it is about, if it is about no one in particular. */
  count?: number;
  /** What was thrown, if that was no object. */
  cause?: unknown;
}

/**
 * Thrown by a processor, or given to `job.reject()`, it says that running the job again is of no use: whatever `retryLimit`
 * is, the job is not delivered again. So does any error with a property `retry` that is false.
 */
export declare class UnrecoverableError extends Error {
  /** That there is no use. */
  retry: boolean;
}

/** The errors of promises that waited for too long, and of jobs that ran for too long. */
export interface ITimeoutError extends Error {
  /**
   * - `FINISH_TIMEOUT`: `job.finished(timeout)`
   * - `PAUSE_TIMEOUT`: `consumer.pause(timeout)`
   * - `DEADLINE_TIMEOUT`: a processor's `deadline`; producers get it as the job's error
   */
  code: 'FINISH_TIMEOUT' | 'PAUSE_TIMEOUT' | 'DEADLINE_TIMEOUT';
  /** The same as `code`. */
  errno: string;
  /**
   * With `FINISH_TIMEOUT`: why the job is not finished, which the message says too. Missing if there was no connection, no
   * answer within a quarter of a second, or no right to look.
   */
  diagnosis?: IFinishDiagnosis;
}

/** What Redis showed of a job when the time of `job.finished(timeout)` was over. */
export interface IFinishDiagnosis {
  /** The stream. */
  stream: string;
  /** The server that has it, as `host:port` or the path of its socket. */
  node: string;
  /** The id of the job's entry. */
  entry: string;
  /** Each group of `waitFor`, in that order. */
  groups: IGroupDiagnosis[];
  /** The payload keys of the job that were set and not pushed. */
  unpushed: string[];
}

/** What a group has made of a job so far. What is not known, or means nothing in its state, is null. */
export interface IGroupDiagnosis {
  /** The group. */
  group: string;
  /**
   * - `'completed'`: the group has completed the job
   * - `'failed'`: its processor has failed; see `error`
   * - `'absent'`: the stream has no such group
   * - `'waiting'`: the group has not been given the job
   * - `'pending'`: the group was given the job and has not acknowledged it; see `owner`
   * - `'passed'`: the group does not wait for the job: it was made after the job was sent, or has acknowledged the job, and
   *   the completion was lost
   * - `'gone'`: the job's entry, or the stream, is gone
   */
  state: 'completed' | 'failed' | 'absent' | 'waiting' | 'pending' | 'passed' | 'gone';
  /** The same in words, and what can be done about it. */
  reason: string;
  /** How many consumers the group has on the stream. */
  consumers: number | null;
  /** How many entries the group was given and has not acknowledged. */
  pending: number | null;
  /** For how long none of its consumers has read, in ms. */
  lastRead: number | null;
  /** How many entries the group is still to be given; Redis 7 or later. */
  lag: number | null;
  /** The consumer that has the job. */
  owner: string | null;
  /** For how long nothing was seen of that, in ms. */
  ownerSeen: number | null;
  /** For how long the entry was not touched: delivered, claimed, or its lease renewed; in ms. */
  idle: number | null;
  /** How often the entry was delivered to the group. */
  deliveries: number | null;
  /** The last error of the processor, as in completions. */
  error: any;
}

// -------------------------------------------------------------------------------------------------------------- Signals

/** An AbortSignal, of whichever kind. */
export interface IAbortSignal {
  readonly aborted: boolean;
  readonly reason?: any;
  addEventListener(type: 'abort', listener: () => void, options?: any): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The AbortSignal that there is where this is compiled. */
export type AbortSignalOfHost = typeof globalThis extends { AbortSignal: { prototype: infer Signal } }
  ? Signal
  : IAbortSignal;

// ------------------------------------------------------------------------------------------------------------- Events

/** Any function that listens. */
export type IListener = (...args: any[]) => void;

/**
 * An emitter as eventemitter3 has it: nobody listening to `'error'` is no reason to throw, and there is neither
 * `newListener` nor `setMaxListeners`.
 *
 * @typeParam Events - the listeners of events that are known by name
 * @typeParam Other - the listeners of all other events
 */
export interface IEmitter<Events, Other extends IListener = IListener> {
  /** Adds a listener; `context` becomes its `this`. */
  on<E extends keyof Events>(event: E, listener: Events[E], context?: any): this;
  on(event: string | symbol, listener: Other, context?: any): this;
  /** The same as `on`. */
  addListener<E extends keyof Events>(event: E, listener: Events[E], context?: any): this;
  addListener(event: string | symbol, listener: Other, context?: any): this;
  /** Adds a listener for the next time only. */
  once<E extends keyof Events>(event: E, listener: Events[E], context?: any): this;
  once(event: string | symbol, listener: Other, context?: any): this;
  /** Removes the event's listeners: all, or those with this function, this context, or added by `once`. */
  off(event: string | symbol, listener?: IListener, context?: any, once?: boolean): this;
  /** The same as `off`. */
  removeListener(event: string | symbol, listener?: IListener, context?: any, once?: boolean): this;
  /** Removes all listeners, or all of an event. */
  removeAllListeners(event?: string | symbol): this;
  /** Calls an event's listeners; returns whether there were any. */
  emit(event: string | symbol, ...args: any[]): boolean;
  /** An event's listeners. */
  listeners(event: string | symbol): any[];
  /** How many listeners an event has. */
  listenerCount(event: string | symbol): number;
  /** The events that have listeners. */
  eventNames(): Array<any>;
}

// -------------------------------------------------------------------------------------------------- Connection options

/**
 * A URL as an object, of whichever realm or library.
 *
 * These rules hold for URLs as objects and as texts:
 *
 * - Their form is `redis[s]://[[username]:password@]host[:port][/db][?option=value&…]`, or
 *   `unix:///path[?option=value&…]`, or the path alone. `valkey://`, `valkeys://` and `redis+tls://` are taken as well.
 * - Options that are texts, numbers or booleans may be parameters, by their names, as
 *   `redis://localhost/2?connectionName=mine&connectTimeout=500`. Host, port, database and password in front of them go before
 *   such parameters, and parameters before the options beside the URL. Of two usernames that of the parameter counts.
 * - A parameter that is unknown is ignored, as ioredis ignores it. One that cannot be used is a TypeError that names it, and
 *   so is `protocol`, unless it is 2.
 * - A % in a name or a password must be written as `%25`, and characters such as `@`, `:` and `/` as such escapes, too.
 * - White space around a text does not matter, and an empty text is the default.
 */
export interface IUrl {
  /** The whole of it. */
  readonly href: string;
  /** Its parameters. */
  readonly searchParams: object;
}

/** What the bus itself takes for a connection, beside what Redis needs. */
export interface IRedisClientOptions {
  /**
   * What every key and channel begins with.
   * @default 'hfxbus'
   */
  keyPrefix?: string | undefined;
  /**
   * Without effect: what is pushed or pulled at once always leaves in one write.
   * @default true
   */
  enablePipelining?: boolean | undefined;
  /**
   * Of a node of `nodes()`: its place among the others, by which hashes count them.
   * @default its index
   */
  sequence?: number | undefined;
  /**
   * Of a node of `nodes()`: routes that lead to this node whatever their hash says; numbers are taken for the hash itself.
   * @default []
   */
  staticRoutes?: Array<string | number> | undefined;
}

/**
 * How TLS is done: the part of Node's TLS options that the bus knows. Others are ignored. What cannot work is a TypeError
 * that names the option; a server that is refused, or that refuses us, is an error with Node's code for it.
 */
export interface ITlsOptions {
  /**
   * The authorities to trust, or a server's certificate that signed itself, PEM.
   * @default the ones Mozilla trusts, and those in the file that the variable NODE_EXTRA_CA_CERTS names
   */
  ca?: string | Uint8Array | Array<string | Uint8Array> | undefined;
  /** The client's certificate chain, PEM; the first of an array. */
  cert?: string | Uint8Array | any[] | undefined;
  /** The client's private key, PEM, without a passphrase; the first of an array. */
  key?: string | Uint8Array | any[] | undefined;
  /**
   * The name that the server's certificate must have among its alternative names.
   * @default the host
   */
  servername?: string | undefined;
  /**
   * Whether a server that cannot prove its name is refused.
   * @default true
   */
  rejectUnauthorized?: boolean | undefined;
  [option: string]: any;
}

/** Where something listens. */
export interface IAddress {
  /** A name or an address. */
  host?: string | undefined;
  /** 1 to 65535, as a number or as digits. */
  port?: number | string | undefined;
  /** Whatever else ioredis takes. */
  [option: string]: any;
}

/**
 * Sentinels that know where a Redis is. With them `host`, `port` and `path` do not matter, and all connections of a bus
 * to that Redis follow its failovers: a server that is not, or no longer, what was asked for is left, and what it
 * answered with READONLY is sent to its successor.
 */
export interface ISentinelOptions {
  /** The sentinels, of which one has to be there; without a host it is localhost, without a port 26379. */
  sentinels?: IAddress[] | null | undefined;
  /** The name that the sentinels have for the Redis; to be given with `sentinels`. */
  name?: string | undefined;
  /**
   * Whether the primary or one of its replicas is wanted. A bus writes, so that the latter serves `getClient()` alone.
   * @default 'master'
   */
  role?: 'master' | 'slave' | undefined;
  /** For AUTH at the sentinels, with a password. */
  sentinelUsername?: string | null | undefined;
  /** For AUTH at the sentinels; `password` is for Redis. */
  sentinelPassword?: string | null | undefined;
  /** TLS towards the sentinels, as `tls`. */
  sentinelTLS?: ITlsOptions | boolean | undefined;
  /**
   * Whether TLS is spoken towards Redis as well, as `tls` says. To be given with `tls` and `sentinels`, one way or the
   * other.
   */
  enableTLSForSentinelMode?: boolean | undefined;
  /**
   * How long to wait before all sentinels are asked again, given how many rounds were in vain; anything but a number
   * gives the connection up. These rounds do not count for `maxRetriesPerRequest`.
   * @default times => Math.min(times * 10, 1000)
   */
  sentinelRetryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * How long a sentinel may take for a reply. One that is silent for half a second does not keep the next one from
   * being asked.
   * @default connectTimeout
   */
  sentinelCommandTimeout?: number | undefined;
  /**
   * Whether sentinels that the others know are asked as well.
   * @default true
   */
  updateSentinels?: boolean | undefined;
  /**
   * Whether one of the sentinels is listened to, so that a failover is followed when it is announced; otherwise it is
   * noticed by a connection that is lost, or by READONLY.
   * @default true
   */
  failoverDetector?: boolean | undefined;
  /** Where a server is for us, by where it is for the sentinels, as `'host:port'`. */
  natMap?: { [address: string]: IAddress } | null | undefined;
  /** With `role: 'slave'`: replicas that are taken before others, the lowest `prio` first; functions are not called. */
  preferredSlaves?: any;
  /** Without effect: a sentinel that is lost is replaced by the next one at once. */
  sentinelReconnectStrategy?: ((times: number) => number | void | null) | null | undefined;
  /** Without effect: one sentinel is listened to. */
  sentinelMaxConnections?: number | undefined;
}

/**
 * Where a Redis is and how to talk to it. Names, meanings and defaults are those of ioredis 4, whose option objects can
 * be passed as they are; what is not listed here is ignored. Times are in ms.
 *
 * A value of the wrong type is a TypeError, one that cannot work a RangeError; both name the option. `undefined`,
 * `null` and `NaN` stand for the default, unless said otherwise.
 */
export interface IStandaloneOptions extends IRedisClientOptions, ISentinelOptions {
  /** A URL, see {@link IUrl}. What it says goes before the other options. */
  url?: string | IUrl | null | undefined;
  /**
   * A name or an address.
   * @default 'localhost'
   */
  host?: string | undefined;
  /**
   * 1 to 65535, as a number or as digits.
   * @default 6379
   */
  port?: number | string | undefined;
  /** A unix socket; with it `host` and `port` do not matter. */
  path?: string | undefined;
  /**
   * 4 or 6 for that family of addresses, 0 for either.
   * @default 4
   */
  family?: number | undefined;
  /** For AUTH, with a password (Redis 6 and later). */
  username?: string | undefined;
  /** For AUTH. No object of ours shows it. */
  password?: string | undefined;
  /**
   * For SELECT.
   * @default 0
   */
  db?: number | undefined;
  /** For CLIENT SETNAME, on every connection. */
  connectionName?: string | undefined;
  /** TLS, with these options or with `true` for none in particular. */
  tls?: ITlsOptions | boolean | undefined;
  /**
   * How long connecting may take; 0 for as long as it takes.
   * @default 10000
   */
  connectTimeout?: number | undefined;
  /**
   * How long a reply may take; reads that wait for jobs are exempt.
   * @default no limit
   */
  commandTimeout?: number | undefined;
  /**
   * How long Redis may leave a connection of the bus without a sign of life while it has something to answer; then the
   * connection is made anew, and commands without a reply are sent again. Subscribers ask for a sign of life. 0 for as
   * long as it takes. Reads that wait for jobs have their `blockTimeout` and 5 seconds more, or `socketTimeout` if that
   * is less; clients of your own have no limit. ioredis 4 has no such option.
   * @default 30000
   */
  socketTimeout?: number | undefined;
  /**
   * How long a connection is idle before TCP keep-alive probes it, at most 32767 s; 0 for never.
   * @default 0
   */
  keepAlive?: number | undefined;
  /**
   * TCP_NODELAY.
   * @default true
   */
  noDelay?: boolean | undefined;
  /**
   * Whether a connection from `getClient()` waits for its first command before it opens.
   * @default false
   */
  lazyConnect?: boolean | undefined;
  /**
   * Whether commands wait for a connection; otherwise they fail with `NOT_READY` as long as there is none.
   * @default true
   */
  enableOfflineQueue?: boolean | undefined;
  /**
   * How many commands may wait on one connection, to be sent or to be answered; what goes beyond fails with `QUEUE_FULL`
   * and is not sent. Infinity for any number. ioredis 4 has no such limit.
   * @default 1000000
   */
  maxQueuedCommands?: number | undefined;
  /**
   * How many bytes of commands may wait on one connection, as `maxQueuedCommands`. One command alone always may.
   * @default 536870912
   */
  maxQueuedBytes?: number | undefined;
  /**
   * Whether a connection is used only when Redis says that it has loaded its data (INFO).
   * @default true
   */
  enableReadyCheck?: boolean | undefined;
  /**
   * The longest time between two such questions.
   * @default 10000
   */
  maxLoadingRetryTime?: number | undefined;
  /**
   * How long to wait before the next attempt to connect, given how many have failed; anything but a number gives the
   * connection up.
   * @default times => Math.min(times * 50, 2000)
   */
  retryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * After so many failed attempts to connect what waits for the connection fails with `MAX_RETRIES`; `null` for never.
   * As long as there never was a connection, what is asked later waits no longer than the first calls did.
   * @default 20
   */
  maxRetriesPerRequest?: number | null | undefined;
  /**
   * What an error reply means for the connection: false nothing, true or 1 to reconnect, 2 to reconnect and send the
   * command again.
   * @default () => false
   */
  reconnectOnError?: ((error: Error) => boolean | 1 | 2) | null | undefined;
  /**
   * Whether subscriptions are made again after a reconnection.
   * @default true
   */
  autoResubscribe?: boolean | undefined;
  /**
   * Whether commands without a reply are sent again after a reconnection; otherwise they fail with `CONNECTION_LOST`.
   * @default true
   */
  autoResendUnfulfilledCommands?: boolean | undefined;
  /**
   * Whether a {@link RedisClient} gives integers as strings, which are exact beyond 2^53 too.
   * @default false
   */
  stringNumbers?: boolean | undefined;
  /**
   * READONLY after connecting.
   * @default false
   */
  readOnly?: boolean | undefined;
  /** Whatever else ioredis takes. */
  [option: string]: any;
}

/**
 * A node that is asked who the others are: `host:port`, a URL, a port on this machine, or an address. Options in a URL
 * hold for every node, and `redisOptions` go before them; a Cluster has no database but 0.
 */
export type IClusterNode =
  | string
  | number
  | IUrl
  | { url?: string | IUrl | undefined; host?: string | undefined; port?: number | undefined };

/** Options of a Redis Cluster, see `ConnectionManager.cluster()`. Names, meanings and defaults are those of ioredis 4. */
export interface IClusterOptions extends IRedisClientOptions {
  /** What every node's connection is made with, but for where it is and `db`; `lazyConnect` and so on may be here or there. */
  redisOptions?: IStandaloneOptions | undefined;
  /**
   * How long to wait before the startup nodes are asked again, given how often no node was there; anything but a number
   * gives the Cluster up.
   * @default times => Math.min(100 + times * 2, 2000)
   */
  clusterRetryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * How often a command follows from one node to another (MOVED, ASK) before it fails.
   * @default 16
   */
  maxRedirections?: number | undefined;
  /**
   * Where payloads are read: from primaries, from replicas, which may lag behind, or from either.
   * @default 'master'
   */
  scaleReads?: 'master' | 'slave' | 'all' | undefined;
  /** Where a node is for us, by where it is for the Cluster, as `'host:port'`. */
  natMap?: { [address: string]: IAddress } | null | undefined;
  /**
   * How long a command waits whose slot has moved.
   * @default 0
   */
  retryDelayOnMoved?: number | undefined;
  /**
   * How long a command waits whose node is gone.
   * @default 100
   */
  retryDelayOnFailover?: number | undefined;
  /**
   * How long a command waits while the Cluster is down.
   * @default 100
   */
  retryDelayOnClusterDown?: number | undefined;
  /**
   * How long a command waits whose slot is between two nodes.
   * @default 100
   */
  retryDelayOnTryAgain?: number | undefined;
  /**
   * How long a node may take to say who has which slots.
   * @default 1000
   */
  slotsRefreshTimeout?: number | undefined;
  /**
   * How often that is asked when nothing has happened; 0 for never.
   * @default 5000
   */
  slotsRefreshInterval?: number | undefined;
  /**
   * Whether commands wait until it is known who has which slots; otherwise they fail with `NOT_READY` until then.
   * @default true
   */
  enableOfflineQueue?: boolean | undefined;
  /**
   * Whether a node is used only when it says that it has loaded its data (INFO).
   * @default true
   */
  enableReadyCheck?: boolean | undefined;
  /**
   * Whether a connection from `getClient()` waits for its first command before it opens.
   * @default false
   */
  lazyConnect?: boolean | undefined;
  /** Whatever else ioredis takes. */
  [option: string]: any;
}

/** Several Redis, partitioned by this client, see `ConnectionManager.nodes()`. */
export interface IRedisNodes extends IRedisClientOptions {
  /** The nodes, each by its options or its URL. */
  nodes: Array<IStandaloneOptions | string | IUrl>;
  /**
   * Whether nodes that fail are left out, and when; `true` is for the defaults. All producers of a fleet can be told so one
   * after the other: where something is never changes, only which ids are made.
   * @default false
   */
  eject?: IEjectOptions | boolean | undefined;
}

/**
 * When a node is ejected from the ring of `nodes()`, and when it is tried again.
 *
 * Failures are attempts to connect, lost connections, and, once nothing has come for `timeout` ms from a node that owes an
 * answer, every tenth of a `timeout`. One that owes nothing is sent PING. An answer begins the count anew.
 *
 * An ejected node gets no new jobs: `producer.job()` makes ids that lead to others. Whatever waits for it, and whatever leads
 * there all the same, fails at once with code `NODE_EJECTED`: `push()`, `pull()`, `send()`, and a `send()` with `waitFor` or a
 * `listen()` to a stream whose completions are published there. Consumers take no jobs from it.
 *
 * It is probed on a connection of its own, `probeInterval` ms after it was ejected, then after twice as long each time, up to
 * 30 s, and readmitted once it has answered two PINGs that are `timeout` ms apart. No node is ejected or readmitted within
 * `probeInterval` ms after it was readmitted or ejected.
 */
export interface IEjectOptions {
  /**
   * After how many failures in a row a node is ejected.
   * @default 3
   */
  failures?: number | undefined;
  /**
   * How long an answer may take, in ms.
   * @default 1000
   */
  timeout?: number | undefined;
  /**
   * How long a node is out at least, and in at least, in ms.
   * @default 5000
   */
  probeInterval?: number | undefined;
}

/** A node that was ejected, or readmitted. */
export interface IRingChange {
  /** Where it is, unless `path` says. */
  host?: string;
  /** Its port. */
  port?: number;
  /** Its unix socket, if it has one. */
  path?: string;
  /** Its place among the nodes, in the order of their `sequence`. */
  index: number;
  /** How many times in a row it has failed, probes included. */
  failures: number;
  /** The last of these failures. */
  error: IRedisError;
}

/** A node to which there is a connection, or none any more. */
export interface INodeChange {
  /** `host:port`, or the path of the socket. */
  node: string;
  /** With `nodes()`: its place among the nodes, in the order of their `sequence`; otherwise 0. */
  index: number;
  /** Why the connection was lost, or could not be made; only with `'reconnecting'`, if there was a reason. */
  error?: IRedisError;
}

/**
 * The listeners of a manager's own events. Those about connections are about the one for everything that does not wait, and
 * come once for each change, however many attempts that takes.
 */
export interface IConnectionManagerEvents {
  /** There is a connection to a node; not of a Cluster, which has several. */
  connect: (node: INodeChange) => void;
  /** Commands flow. */
  ready: (node: INodeChange) => void;
  /** The connection was lost, or could not be made, and is being made again. */
  reconnecting: (node: INodeChange) => void;
  /** A node is out of the ring, see {@link IEjectOptions}. */
  eject: (node: IRingChange) => void;
  /** It is in it again. */
  readmit: (node: IRingChange) => void;
  /** A listener of another event threw this; its code is `LISTENER_ERROR`. */
  error: (error: any) => void;
}

// ------------------------------------------------------------------------------------------------ Connection manager

/** What a client of the bus has beside its connection. */
export interface IRedisClient extends IRedisClientOptions {
  /** Not kept any more; here for programs that name it. */
  usedBy?: number;
  /** Not kept any more; here for programs that name it. */
  stopped?: boolean;
  /** Not kept any more; here for programs that name it. */
  boundProducers?: Set<string>;
}

/** The connection's states and errors, by ioredis' names. */
export interface IRedisClientEvents {
  /** The connection failed; or, with code `LISTENER_ERROR`, a listener of another event threw this. */
  error: (error: IRedisError) => void;
  /** It is being made. */
  connecting: () => void;
  /** It is there. */
  connect: () => void;
  /** It can be used. */
  ready: () => void;
  /** It dropped or was closed. */
  close: () => void;
  /** It will be made again. */
  reconnecting: () => void;
  /** It will not be made again. */
  end: () => void;
}

/** A word of a command: numbers and the like are sent as their text, null and undefined as nothing, bytes as bytes. */
export type IRedisWord = string | number | bigint | boolean | Date | ArrayBufferView | ArrayBuffer | null | undefined;

/** Words, by themselves or in arrays: `mget('a', 'b')` and `mget(['a', 'b'])` are the same. */
export type IRedisArgument = IRedisWord | ReadonlyArray<IRedisWord>;

/** Fields and their values, for HSET, HMSET, MSET and MSETNX. */
export type IRedisFields = { readonly [field: string]: IRedisWord } | ReadonlyMap<IRedisWord, IRedisWord>;

/** What the methods of a client and of a pipeline take. */
export type IRedisArguments<Method> = Method extends `${'hset' | 'hmset' | 'mset' | 'msetnx'}${'' | 'Buffer'}`
  ? Array<IRedisArgument | IRedisFields>
  : IRedisArgument[];

/** Commands that have a method: all but those that a connection of the bus has no use for, and some with their own. */
export type IRedisCommandName = Exclude<
  RedisCommand,
  | 'exec'
  | 'monitor'
  | 'multi'
  | 'psubscribe'
  | 'psync'
  | 'punsubscribe'
  | 'quit'
  | 'ssubscribe'
  | 'subscribe'
  | 'sunsubscribe'
  | 'sync'
  | 'unsubscribe'
>;

/** A command's method, and one that gives its reply with Buffers instead of strings. */
export type IRedisMethod = IRedisCommandName | `${IRedisCommandName}Buffer`;

/**
 * Every command of Redis as a method: `client.xlen('hfxbus:str:concat')`.
 *
 * What it resolves with is what ioredis 4 gives: strings, numbers, null and arrays of these, and HGETALL an object. The
 * type parameter says what that is. It rejects with an {@link IRedisError}, or with a TypeError for what is no word.
 */
export type IRedisCommands = {
  [Method in IRedisMethod]: <T = any>(...args: IRedisArguments<Method>) => Promise<T>;
};

/** The same, to be collected. They throw a TypeError for what is no word. */
export type IRedisPipelineCommands<Pipeline> = {
  [Method in IRedisMethod]: (...args: IRedisArguments<Method>) => Pipeline;
};

/** What a command of a pipeline led to: its reply, or nothing but its error. */
export type IRedisResult<T = any> = [error: IRedisError | null, result: T];

/** What pipelines and transactions have in common. */
export interface IRedisCollector<Self> extends IRedisPipelineCommands<Self> {
  /** How many commands were collected. */
  readonly length: number;
  /** Collects any command. */
  call(command: string, ...args: IRedisArgument[]): Self;
  /** The same, for a reply with Buffers. */
  callBuffer(command: string, ...args: IRedisArgument[]): Self;
}

/** Commands that leave in one write. */
export interface IRedisPipeline extends IRedisCollector<IRedisPipeline> {
  /** Begins a transaction among them. */
  multi(): IRedisOpenTransaction;
  /** Sends them; resolves with error and result of each, in order, and never rejects because of a reply. */
  exec<T = any>(): Promise<Array<IRedisResult<T>>>;
}

/** A transaction within a pipeline. */
export interface IRedisOpenTransaction extends IRedisCollector<IRedisOpenTransaction> {
  /** Ends it; the pipeline goes on. */
  exec(): IRedisPipeline;
}

/** Commands that leave in one write and run as one (MULTI, EXEC). */
export interface IRedisTransaction extends IRedisCollector<IRedisTransaction> {
  /**
   * Runs them.
   *
   * @returns resolves with error and result of each, or with null if a watched key has changed; rejects if nothing was
   * run, with the errors that led to that as `previousErrors`
   */
  exec<T = any>(): Promise<Array<IRedisResult<T>> | null>;
}

/**
 * A connection of your own, from `ConnectionManager.getClient()`. It has one life: after `quit()`, `disconnect()`, the
 * bus' `stop()`, or a `retryStrategy` that gave up, its commands fail with `CONNECTION_CLOSED`.
 *
 * It may wait (BLPOP, XREAD BLOCK) without keeping anything else waiting. What would change the connection itself is
 * refused with `UNSUPPORTED_COMMAND`: subscriptions, MONITOR, CLIENT REPLY, HELLO 3, SYNC and PSYNC.
 */
export interface RedisClient extends IRedisClient, IRedisCommands, IEmitter<IRedisClientEvents> {
  /** What every key of the bus begins with. It is not added to the keys of commands. */
  keyPrefix: string;
  /** As the bus was told. */
  enablePipelining: boolean;
  /** `wait`, `connecting`, `connect`, `ready`, `close`, `reconnecting` or `end`. */
  readonly status: string;
  /**
   * Sends any command.
   *
   * @typeParam T - what the reply is expected to be
   * @returns the reply; rejects with an {@link IRedisError}
   * @example await client.call('xlen', 'hfxbus:str:concat')
   */
  call<T = any>(command: string, ...args: IRedisArgument[]): Promise<T>;
  /** As `call()`, for a reply with Buffers instead of strings. */
  callBuffer<T = any>(command: string, ...args: IRedisArgument[]): Promise<T>;
  /**
   * Collects commands that leave in one write.
   *
   * @param commands - to begin with: names of methods or of commands, with their arguments
   * @example await client.pipeline().set('a', 1).get('a').exec()
   * @example await client.pipeline([['set', 'a', 1], ['get', 'a']]).exec()
   */
  pipeline(commands?: ReadonlyArray<IRedisArgument[]>): IRedisPipeline;
  /**
   * Collects commands that run as one; `{ pipeline: false }` sends MULTI alone.
   *
   * @param commands - as those of `pipeline()`
   */
  multi(commands?: ReadonlyArray<IRedisArgument[]>): IRedisTransaction;
  multi(options: { pipeline: false }): Promise<'OK'>;
  /** Ends what `multi({ pipeline: false })` began. */
  exec<T = any>(): Promise<Array<IRedisResult<T>> | null>;
  /** Sends QUIT and closes; resolves when that is done. */
  quit(): Promise<'OK'>;
  /** Closes at once. */
  disconnect(): void;
}

/** @see IEmitter */
export interface ConnectionManager extends IEmitter<IConnectionManagerEvents> {}

/**
 * The connections of a bus. They are opened when they are first needed, and keep the process alive until `stop()`.
 *
 * Make one with {@link ConnectionManager.standalone}.
 */
export declare class ConnectionManager {
  /**
   * A bus on one Redis.
   *
   * @param standalone - options, or a URL, see {@link IUrl}
   * @throws TypeError or RangeError that names the option; nothing was connected then
   */
  static standalone(standalone?: IStandaloneOptions | string | IUrl): ConnectionManager;
  /**
   * A bus on a Redis Cluster. Streams and payloads may be in any slots; one consumer reads any number of streams.
   *
   * @param startupNodes - nodes that are asked who the others are, at least one
   * @throws TypeError or RangeError that names the option; nothing was connected then
   */
  static cluster(startupNodes: IClusterNode[], cluster?: IClusterOptions): ConnectionManager;
  /**
   * A bus on several Redis that know nothing of each other, partitioned by this client: a payload is where its job's id
   * leads, an entry where its route does, by default its stream, and a completion where its stream does. A consumer reads
   * where its `route` leads, by default its group, so that routes are to be given on both sides, or DISTRIBUTED_ROUTING.
   *
   * @throws TypeError or RangeError that names the option; nothing was connected then
   */
  static nodes(nodes: IRedisNodes): ConnectionManager;

  /** Use one of the static methods instead: they say which of the options belong together. */
  constructor(options: {
    standalone?: IStandaloneOptions | string | IUrl | undefined;
    cluster?: IClusterOptions | undefined;
    startupNodes?: IClusterNode[] | undefined;
    nodes?: IRedisNodes | undefined;
  });

  /**
   * A connection of your own. The same key gives the same connection, until that has ended.
   *
   * @throws TypeError with `nodes()`, of which none is meant by it
   */
  getClient(key: string): RedisClient;
  /** A connection of your own to the node that a route leads to; with one Redis, and with a Cluster, as `getClient(key)`. */
  getClientByRoute(key: string, route: string): RedisClient;
  /** A connection of your own to each node, in the order of their `sequence`; with one Redis, and with a Cluster, it is one. */
  getClients(key: string): RedisClient[];
  /** What every key and channel of this bus begins with. */
  getKeyPrefix(): string;
  /**
   * Reads no more jobs, waits for those in flight, and closes every connection (QUIT). After it the process can exit,
   * whatever state Redis was in. Calling it twice is fine, and using the bus again opens connections again.
   *
   * Jobs that have not ended after `maxWait` are handed back: another consumer of the group that claims (see
   * `claimInterval`) begins them anew at once, with the same number of deliveries. Their `signal` is aborted, and how they
   * end is an `'error'` with code `REJECT_JOB_ERROR`.
   *
   * @param options.maxWait - for how many ms to wait at most; without it for as long as the jobs take, and then for Redis as
   *   long as that goes on hearing how they ended, but for no more than 5 s if it does not
   * @param options.force - whether to close at once, without handing anything back
   */
  stop(options?: { maxWait?: number | undefined; force?: boolean | undefined }): Promise<void>;
  /** The same as `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------------- Jobs

/**
 * A job: an id, and a payload of keys that lie in Redis beside the stream.
 *
 * `set()`, `get()` and `del()` only stack what is to be done. `push()` does the writing; `pull()` does the reading, then
 * the removing.
 */
export declare class Job {
  /** What the job is known by. */
  readonly id: string;
  /**
   * Waits for the job's completions; there once it was sent with `waitFor`.
   * @see ISentJob.finished
   */
  finished: any;

  /**
   * `producer.job()` makes one as well.
   *
   * @param client - from `ConnectionManager.getClient()`
   * @param id - made up if it is missing
   */
  constructor(client: RedisClient, id?: string);

  /** The Redis key of a payload key: `{keyPrefix}:job:{id}:{key}`. */
  prefix(key: string): string;
  /**
   * Stacks a write (SET, or PSETEX with a timeout).
   *
   * @param value - a Buffer, typed array, DataView or ArrayBuffer is stored as its bytes, anything else as JSON;
   * `undefined` and functions are stored as nothing
   * @param timeout - after how many ms Redis removes the key; without one it stays until it is removed
   * @throws TypeError that names the key, with code `PAYLOAD_NOT_JSON`, if JSON cannot hold the value (a BigInt, a cycle) or
   * if it is a Promise; a RangeError with this code if it is nested too deep
   * @throws RangeError that names the key, if the timeout is not a whole number from 1 on
   */
  set(key: string, value: any, timeout?: number): Job;
  /**
   * Stacks a read (GET).
   *
   * @param asBuffer - true for the bytes, false for the parsed JSON
   * @defaultValue true
   */
  get(key: string, asBuffer?: boolean): Job;
  /**
   * Stacks a removal (DEL). The next `pull()` does it, after its reads.
   *
   * There is one key for all groups and all deliveries of a job. In a processor that removes a key and then works, two things go
   * wrong, and nothing says so: a second delivery of the job, after a failure or the end of its consumer, reads `null`; and so
   * does every other group. So remove keys after `finished()`, or give them a timeout in `set()`. A processor may remove keys
   * of its group alone as the last thing that it does, and takes `null` for work that is done.
   */
  del(key: string): Job;
  /**
   * Writes what was stacked.
   *
   * @returns rejects with the first {@link IRedisError}, if there is one
   */
  push(): Promise<void>;
  /**
   * Reads what was stacked, then removes what was stacked for that.
   *
   * A key that is not there is `null`, one that holds no JSON is the SyntaxError, and one that Redis has under another
   * type is left out.
   *
   * @typeParam T - the keys and their values
   * @param options.signal - aborting it rejects with its reason; what was sent by then is not taken back, removals neither
   * @returns rejects with an {@link IRedisError} if the connection failed
   */
  pull<T = { [key: string]: any }>(options?: { signal?: IAbortSignal | undefined }): Promise<T>;
}

/**
 * The completions of a job by group: a Date where the group has finished it, the error as data where it failed, null
 * where nothing has come yet.
 *
 * An error as data has the enumerable properties of what was thrown, and `name`, `message`, `stack` and `code`. Bytes are
 * named, as `'[Buffer: 3 bytes]'`. Its JSON takes at most 16 KiB: a larger error keeps its name, its code and up to 8 KiB of
 * its message, and has `truncated: true`.
 */
export interface IJobCompletion {
  [group: string]: null | Date | any;
}

/** A job that was sent. */
export interface ISentJob extends Job {
  /**
   * Waits until every group of `waitFor` has finished the job. May be called any number of times; completions that have
   * come before count. When the connection that completions come on was lost and is back, Redis is asked for what was
   * missed: successes are found in any case, errors of jobs that were sent `durable`, and for a minute errors that no
   * connection has heard. A job whose entry is gone without a
   * word about it has an error with code `OUTCOME_UNKNOWN`.
   *
   * @typeParam T - the completions, an {@link IJobCompletion}
   * @param options - a timeout in ms, or an object with it; without one, or with 0, for as long as it takes. Aborting
   * `signal` rejects with its reason, and ends nothing else
   * @returns with `rejectOnError` rejects with the completions (not an Error) as soon as one of them is an error; rejects
   * with `FINISH_TIMEOUT` (an {@link ITimeoutError} that says why, for which Redis is looked at for up to a quarter of a
   * second), after which it may be called again; rejects with `CONNECTION_CLOSED` if the bus is stopped
   */
  finished<T = any>(options?: number | { timeout?: number | undefined; signal?: IAbortSignal | undefined }): Promise<T>;
}

/** A job that a processor got. The three methods are there until the job is settled. */
export interface IReceivedJob extends Job {
  /**
   * Aborted when the outcome does not matter any more: when the job's `deadline` has passed (the reason's code is
   * `DEADLINE_TIMEOUT`), or when `stop()` waits for it no longer (`CONNECTION_CLOSED`). It stays what it is when the job
   * has ended in time.
   */
  readonly signal: AbortSignalOfHost;
  /**
   * Gives the job's place to another one while this one goes on. It is not settled by that.
   *
   * @returns the same job
   */
  release(): IReceivedJob;
  /** Says that the job is finished (XACK, then PUBLISH). What the processor returns by then says the same. */
  resolve(): Promise<void>;
  /** Says that the job failed (PUBLISH), see {@link IJobCompletion}. Its entry stays pending. What the processor throws by then says the same. */
  reject<T extends Error>(error: T): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- Producer

/** The listeners of a producer's own events. */
export interface IProducerEvents {
  /** Something went wrong that belongs to no call. */
  error: (error: IProducerError) => void;
}

/**
 * Listens to the completions in a stream.
 *
 * @param error - the job's error as data, or null if it was finished
 * @param jobId - the job
 * @param group - the group that finished it or failed
 */
export type IStreamListener = (error: any, jobId: string, group: string) => void;

/** What is to be sent, where, and what is waited for. */
export interface ISendOptions {
  /** The stream. */
  stream: string;
  /**
   * With `nodes()`: what decides on the node.
   * @default the stream
   */
  route?: string | symbol | undefined;
  /** The job; its payload must have been pushed before. */
  job: Job;
  /**
   * About how many entries the stream keeps (MAXLEN ~); 0 for all.
   * @default 0
   */
  capped?: number | undefined;
  /**
   * The groups whose completions `job.finished()` waits for; each counts once. Half of a surrogate pair in a name is U+FFFD in
   * Redis: names that differ in nothing else are one name there. The completions have the names that are given here.
   * @default null
   */
  waitFor?: string[] | null | undefined;
  /**
   * Whether `job.finished()` rejects at the first error.
   * @default false
   */
  rejectOnError?: boolean | undefined;
  /**
   * Whether each group's outcome is also kept in Redis, in a key that ends by itself, so that `job.finished()` learns of
   * it even if the completion is lost on its way. Without `waitFor` it has no effect, nor has it with consumers of 2.x.
   * @default false
   */
  durable?: boolean | IDurableOptions | null | undefined;
}

/** How outcomes are kept. */
export interface IDurableOptions {
  /**
   * For how many ms, from 1 on.
   * @default 3600000
   */
  ttl?: number | undefined;
}

/** Traffic of connections, including connections that have ended. Counts only grow. */
export interface IConnectionStats {
  /** Number of times that a lost connection became ready again. */
  reconnects: number;
  /** Bytes of replies and messages, without TLS and without the greeting of each connection. */
  bytesIn: number;
  /** Bytes of commands, counted in the same way. */
  bytesOut: number;
}

/** Statistics of a producer. Counts cover its whole life, across `stop()` and `close()`, and only grow. */
export interface IProducerStats {
  /** Jobs that Redis has accepted. */
  sent: number;
  /** Jobs whose `send()` rejected with an error of Redis or of a connection. Invalid options are not counted. */
  failed: number;
  /** Jobs on their way to Redis now. */
  inFlight: number;
  /** Received completions, one for each group, of jobs with `waitFor` and of streams with a listener. */
  completionsReceived: number;
  /** Jobs whose `waitFor` is not complete now. */
  waiting: number;
  /** Jobs whose `waitFor` has become complete, or has ended at an error with `rejectOnError`. */
  finished: number;
  /** Calls of `finished()` that rejected with `FINISH_TIMEOUT`. */
  timedOut: number;
  /**
   * Traffic of the connections that all producers and consumers of the manager share, for commands and for completions, on
   * all nodes. Each of them reports the same numbers.
   */
  shared: IConnectionStats;
}

/** @see IEmitter */
export interface Producer extends IEmitter<IProducerEvents, IStreamListener> {}

/**
 * Sends jobs and hears of their completions.
 *
 * Emits an event named after the stream for each completion that it listens to (see {@link IStreamListener}), and
 * `'error'` (see {@link IProducerError}).
 */
export declare class Producer {
  /** What consumers address completions to. */
  readonly id: string;

  /** @throws TypeError if `connection` is no ConnectionManager */
  constructor(connection: ConnectionManager);

  /**
   * Subscribes to completions: without arguments to those of this producer's own jobs, with streams to those of
   * everybody's jobs there; `*` in a name stands for anything. Resolves when Redis has confirmed (SUBSCRIBE or
   * PSUBSCRIBE). `send()` with `waitFor` needs no `listen()`.
   *
   * @returns rejects with an {@link IRedisError}
   */
  listen(...streams: string[]): Promise<void>;
  /** A new job, with a random id if none is given. */
  job(id?: string): Job;
  /**
   * Sends a job (XADD).
   *
   * @returns the same job, once Redis has accepted the entry; with `finished()` if `waitFor` was given. Rejects with an
   * {@link IRedisError}, or with a TypeError or RangeError that names the option
   */
  send(options: ISendOptions): Promise<ISentJob>;
  /** What it has done so far. Asks nothing of Redis and opens no connection. */
  stats(): Promise<IProducerStats>;
  /**
   * Unsubscribes, and gives up what it waits for: `finished()` rejects with `CONNECTION_CLOSED`. The bus goes on, and
   * the producer can be used again.
   */
  close(): Promise<void>;
  /** The same as `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- Consumer

/** Does the work of a job. What it returns is not used; what it throws is the job's error. */
export type IStreamProcessor = (job: IReceivedJob) => Promise<any>;

/** An entry that was taken over from a consumer, or that is not delivered any more. */
export interface IClaimedEntry {
  /** The entry's id. */
  id: string;
  /** The consumer that had it. */
  consumerId: string;
  /** For how many ms it had been idle. */
  idleTime: number;
  /** How often it has been delivered, for `claimed` this time included. */
  deliveryCount: number;
  /** The key of the stream. */
  stream: string;
  /** The producer and the job. */
  data: { prd: string; job: string };
}

/** An entry that is not delivered any more. */
export interface IExhaustedEntry extends IClaimedEntry {
  /** Whether it was moved to the stream that `deadLetter` names; otherwise it stays pending. */
  moved: boolean;
}

/** Entries that are not in their stream any more, and whose jobs were not done. */
export interface ITrimmedEntries {
  /** The name of the stream, as `process()` got it. */
  stream: string;
  /** How many they were; at least so many if `pending` is false and the group has several consumers. */
  count: number;
  /**
   * Whether they had been delivered to a consumer and were waiting to be done; they have been acknowledged. Otherwise the
   * group never got them, and each consumer that claims tells what it knows of that.
   */
  pending: boolean;
}

/** The listeners of a consumer's events. */
export interface IConsumerEvents {
  /** Something went wrong that belongs to no call. */
  error: (error: IConsumerError) => void;
  /** No job is in flight any more. */
  drained: () => void;
  /** An entry was taken over from a consumer that did not finish it, and its job runs. */
  claimed: (entry: IClaimedEntry) => void;
  /**
   * An entry is not delivered again: it was delivered `retryLimit` times, or its job said that it is of no use. Once for
   * each entry, by the consumer that finds out; where entries stay pending, by each consumer that claims.
   */
  exhausted: (entry: IExhaustedEntry) => void;
  /**
   * Entries have been deleted or trimmed away (XDEL, XTRIM, `capped`) before their jobs were done: some that were pending,
   * which are acknowledged since nothing is left to be run, or some that the group never got. It is looked for with
   * `claimInterval`; the latter are known on Redis 7 and later.
   */
  trimmed: (entries: ITrimmedEntries) => void;
}

/** How long a job that failed waits before it is delivered again. Times are in ms. */
export interface IBackoffOptions {
  /** Whether each wait is the same or twice the one before. */
  type: 'fixed' | 'exponential';
  /** The wait after the first delivery. */
  delay: number;
  /**
   * The longest wait.
   * @default Infinity
   */
  max?: number | undefined;
  /**
   * Which part of each wait is left to chance, from 0 to 1; the wait gets shorter by up to that.
   * @default 0
   */
  jitter?: number | undefined;
}

/**
 * How a consumer works. Times are in ms. `undefined`, `null` and `NaN` stand for the default; what cannot work is a
 * RangeError that names the option.
 */
export interface IConsumerOptions {
  /** The group: every group gets every job, each job goes to one consumer of a group. */
  group: string;
  /**
   * The consumer's name in the group. No two consumers of a group may have the same at the same time.
   * @default a random one
   */
  id?: string | undefined;
  /**
   * How many jobs run at once, over all streams: 1 or more, Infinity for no limit.
   * @default 1
   */
  concurrency?: number | undefined;
  /**
   * How long one read waits for jobs (XREADGROUP BLOCK); 0 for as long as it takes. `pause()` and `stop()` never wait
   * for it.
   * @default 5000
   */
  blockTimeout?: number | undefined;
  /**
   * How often to look for entries to take over, in ms: of consumers that are gone, of jobs that failed or whose deadline
   * passed. Needs XPENDING and XCLAIM; with TIME a clock that is set forward is noticed, and with XINFO what was trimmed
   * before it was read. While a job runs, its entry is kept from being idle, by another thread while JavaScript is busy, so
   * that a job that takes longer than `claimDeadline` is not taken over. A consumer that has its group to itself, with
   * nothing pending, looks once in five of these intervals, unless they are longer than `claimDeadline`. While more entries
   * are due than jobs can run, a free slot of `concurrency` starts the next look, and new entries get half of the slots.
   * @default 0, for never
   */
  claimInterval?: number | undefined;
  /**
   * For how many ms an entry must have been idle to be taken over. The same for all consumers of a group: who runs a job
   * keeps its own entry from being idle for as long as this.
   * @default 30000
   */
  claimDeadline?: number | undefined;
  /**
   * How many entries to look at in one go, 1 or more. No more are taken over than jobs can run.
   * @default 100
   */
  claimPageSize?: number | undefined;
  /**
   * How often an entry is delivered, the first time included: 1 or more, Infinity for no limit. Of effect with
   * `claimInterval` or `deadLetter`. After it the entry is `'exhausted'`.
   * @default 3
   */
  retryLimit?: number | undefined;
  /**
   * When a job that failed may be taken over; by consumers that claim, hence up to their `claimInterval` later.
   * @default when it was idle for `claimDeadline`
   */
  backoff?: IBackoffOptions | null | undefined;
  /**
   * The stream that entries are moved to when they are not delivered again, see {@link DeadLetters}. Their payload stays.
   * @default none: they stay pending in the group
   */
  deadLetter?: string | null | undefined;
  /**
   * After how many ms of idleness a consumer's name is removed from the group (XGROUP DELCONSUMER), if nothing is pending for
   * it; 0 or Infinity for never. A consumer that was killed leaves its name behind, and a consumer with `claimInterval`
   * removes it, after a look at the group at most once an hour. The name of a consumer that lives comes back with its next
   * entry, and no entry is lost. Needs XINFO CONSUMERS, MULTI, EXEC and XGROUP DELCONSUMER; without these rights the names
   * stay, and no error is emitted. A consumer shows that it lives by reading at least three times within this time, and at
   * least once an hour. So this must be more than three times `blockTimeout`, and the same for all consumers of a group.
   * Throws a TypeError for anything but a number, and a RangeError below 0.
   * @default 604800000, a week
   */
  removeIdleConsumers?: number | undefined;
  /**
   * With `nodes()`: the node that is read from, or DISTRIBUTED_ROUTING for all.
   * @default the group
   */
  route?: string | symbol | undefined;
}

/** A stream to read, and what to do with its jobs. */
export interface IProcessOptions {
  /** The stream. */
  stream: string;
  /** Does the work; called with one job at a time, up to `concurrency` times at once. */
  processor: (job: IReceivedJob) => any;
  /**
   * `'>'` for jobs that no consumer of the group has had; an id (or `'0'`) for what is pending for this consumer after
   * it, and then as `'>'`.
   * @default '>'
   */
  readFrom?: string | undefined;
  /**
   * Where the group begins if it is new: `'$'` for what is sent from now on, `'0'` for everything, or an entry's id.
   * @default '$'
   */
  fromId?: string | undefined;
  /**
   * For how many ms a job may run before it is rejected with `DEADLINE_TIMEOUT`; 0 for as long as it takes. The
   * processor goes on, but its outcome does not matter any more.
   * @default 30000
   */
  deadline?: number | undefined;
  /**
   * Whether a group that is there is set to `fromId` (XGROUP SETID).
   * @default false
   */
  setId?: boolean | undefined;
  /**
   * Payload keys that are fetched as soon as jobs arrive (MGET, one for all that arrive together), before their processor
   * is called: the first `pull()` of such a key then needs no trip to Redis. It does as usual for a key that was not there
   * yet, or that the processor has pulled, pushed or removed since. Jobs wait for their payloads for a second at most, or
   * half their `deadline`, and begin without them then.
   * @default none
   */
  prefetch?: readonly string[] | null | undefined;
}

/** Position of a group in a stream. With `nodes()` it sums up all nodes that are read. */
export interface IStreamStats {
  /** Name of the stream, as passed to `process()`. */
  stream: string;
  /** Name of the group. */
  group: string;
  /**
   * Number of entries not yet delivered to the group. `null` if unknown: before Redis 7, without a group, while Redis does
   * not answer, and after XDEL or `XGROUP SETID` until the group has read on.
   */
  lag: number | null;
  /** Number of entries delivered to the group and not acknowledged. `null` while Redis does not answer. */
  pending: number | null;
}

/** Statistics of a consumer. Counts cover its whole life, across `pause()` and `stop()`, and only grow. */
export interface IConsumerStats {
  /** Jobs that got a slot. */
  started: number;
  /** Started jobs whose entry had been delivered before: claimed, or found pending for this consumer. */
  retried: number;
  /** Claimed entries, see `claimInterval`. */
  claimed: number;
  /** Jobs that ended without an error. */
  resolved: number;
  /** Jobs that ended with an error, including those that reached their deadline. */
  rejected: number;
  /** Jobs that reached their `deadline`. */
  timedOut: number;
  /** Jobs that gave back their slot with `release()`. */
  released: number;
  /** Entries that are not delivered again, as with `'exhausted'`. */
  exhausted: number;
  /** Entries that were removed from their stream before their jobs ended, as with `'trimmed'`. */
  trimmed: number;
  /** Ended jobs whose settlement failed, as with `REJECT_JOB_ERROR`, or with a `resolve()` that rejects. */
  settlementFailures: number;
  /** Jobs that run now, or whose settlement Redis has not confirmed yet. Released jobs are not counted. */
  inFlight: number;
  /** Entries that were read and wait for a slot now. */
  waiting: number;
  /** Slots for further jobs now. Infinity without a limit. */
  availableSlots: number;
  /** Traffic of the connections that read entries for this consumer. */
  own: IConnectionStats;
  /**
   * Traffic of the connections that all producers and consumers of the manager share, for commands and for completions, on
   * all nodes. Each of them reports the same numbers.
   */
  shared: IConnectionStats;
  /** One element for each stream that `process()` was called with. */
  streams: IStreamStats[];
}

/** The connections of a consumer in 2.x. Here for programs that name the type. */
export interface IRedisClientPair {
  /** The one that waits for jobs. */
  blocking: RedisClient & { xretry: any };
  /** The one that acknowledges. */
  aux: RedisClient;
}

/** @see IEmitter */
export interface Consumer extends IEmitter<IConsumerEvents> {}

/**
 * Runs the jobs of a group.
 *
 * Emits `'error'` (see {@link IConsumerError}), `'drained'`, `'claimed'`, `'exhausted'` and `'trimmed'` (see
 * {@link IConsumerEvents}).
 */
export declare class Consumer {
  /** The consumer's name in the group. */
  readonly id: string;

  /**
   * @throws TypeError or RangeError that names the option
   * @throws Error `Invalid route: …` for a route that is neither a string nor DISTRIBUTED_ROUTING
   */
  constructor(connection: ConnectionManager, options: IConsumerOptions);

  /**
   * Adds a stream, which is read from the next `play()` on; for one that is there the processor is changed at once.
   *
   * @returns the consumer
   * @throws TypeError or RangeError that names the option
   */
  process(options: IProcessOptions): Consumer;
  /**
   * Makes the groups that are missing (XGROUP CREATE … MKSTREAM) and begins to read (XREADGROUP). What is sent after it
   * has resolved is seen.
   *
   * @param options.signal - aborting it pauses the consumer, now or later, until `pause()` or the next `play()`; rejects
   * with its reason if that is before this has resolved
   * @returns rejects with an {@link IRedisError}, or with an Error if `process()` was never called
   */
  play(options?: { signal?: IAbortSignal | undefined }): Promise<void>;
  /**
   * Reads no more jobs and waits for those in flight. `play()` goes on.
   *
   * @param timeout - in ms; without one, or with 0, for as long as it takes
   * @returns rejects with `PAUSE_TIMEOUT`; the consumer stays paused then
   */
  pause(timeout?: number): Promise<void>;
  /**
   * What it has done so far, and with one XINFO GROUPS per stream how far its group is. Opens no connection, and rejects for
   * no reason but its options.
   *
   * @param options.timeout - for how many ms to wait for Redis, 1000 by default, after which `lag` and `pending` are null;
   * with 0 it is not asked
   */
  stats(options?: { timeout?: number | undefined }): Promise<IConsumerStats>;
  /** The same as `pause()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

// ------------------------------------------------------------------------------------------------------- Dead letters

/** An entry that is not delivered any more, as the stream of dead letters has it. */
export interface IDeadLetter {
  /** Its id among the dead letters. */
  id: string;
  /** The index of the node that it is on; 0 but with `nodes()`. */
  node: number;
  /** Its job, whose payload is still there. */
  jobId: string;
  /** Its producer. */
  producerId: string;
  /** The stream that it was sent to. */
  stream: string;
  /** The id that it had there. */
  entryId: string;
  /** The group that gave it up. */
  group: string;
  /** How often it was delivered. */
  deliveries: number;
  /** Whether that was as often as `retryLimit` allows, or its job said that more is of no use. */
  reason: 'exhausted' | 'unrecoverable';
  /** The last error as data, see {@link IJobCompletion}; null where whoever gave it up did not run it. */
  error: any;
}

/**
 * Looks through what consumers have moved to the stream that their option `deadLetter` names. All methods reject with an
 * {@link IRedisError}, or with a TypeError or RangeError that names what was given.
 */
export declare class DeadLetters {
  /**
   * @param stream - the stream that `deadLetter` names
   * @throws TypeError if `connection` is no ConnectionManager, or `stream` no name
   */
  constructor(connection: ConnectionManager, stream: string);
  /**
   * The oldest letters first, with `nodes()` those of one node after the other.
   *
   * @param options.count - how many at most, 100 by default
   * @param options.after - the letter behind which to go on
   */
  list(options?: { count?: number | undefined; after?: IDeadLetter | undefined }): Promise<IDeadLetter[]>;
  /**
   * Sends the letter's job to its stream again, where every group gets it, and takes the letter away.
   *
   * @returns the id of the new entry
   */
  replay(letter: IDeadLetter): Promise<string>;
  /**
   * Takes the letter away. Its job's payload stays.
   *
   * @returns whether it was there
   */
  drop(letter: IDeadLetter): Promise<boolean>;
}

// -------------------------------------------------------------------------------------------------------- Diagnostics

/**
 * What the channels of `node:diagnostics_channel` are told, by their names. No message holds a payload, nor a password.
 * Without a subscriber none is made.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel';
 *
 * subscribe('hfxbus:settle', (message) => {
 *   const { job, outcome } = message as IDiagnostics['hfxbus:settle'];
 * });
 * ```
 */
export interface IDiagnostics {
  /** A job is about to be sent, by who calls `send()` and in its asynchronous context. */
  'hfxbus:send': ISendMessage;
  /** Redis has the job, or it could not be sent: the same object. */
  'hfxbus:sent': ISentMessage;
  /**
   * A processor is about to be called. What is bound to this channel with `bindStore()`, on Node 18.19 and later, is there
   * within the processor.
   */
  'hfxbus:receive': IReceiveMessage;
  /**
   * It was decided how a job ends, and Redis is about to be told: the same object. Of jobs that began while somebody
   * subscribed to this channel or to `hfxbus:receive`.
   */
  'hfxbus:settle': ISettleMessage;
  /** An entry was taken over, as with `'claimed'`. */
  'hfxbus:claim': IEntryMessage<IClaimedEntry>;
  /** An entry is not delivered again, as with `'exhausted'`. */
  'hfxbus:exhaust': IEntryMessage<IExhaustedEntry>;
  /** Entries are gone before their jobs were done, as with `'trimmed'`. */
  'hfxbus:trim': ITrimMessage;
  /** Names of other consumers were removed from the group, see `removeIdleConsumers`. */
  'hfxbus:remove': IRemoveMessage;
  /** A connection has another state. */
  'hfxbus:connection': IConnectionMessage;
}

/** A job that is sent. */
export interface ISendMessage {
  producer: Producer;
  job: Job;
  /** The stream, as `send()` got it. */
  stream: string;
  /** The groups whose completions are waited for. */
  waitFor: string[];
  /**
   * Empty. What subscribers add to it, strings only, is sent with the job in its entry, and is there at `hfxbus:receive`: what
   * carries the context of a trace. Consumers of 2.x do not look at it, and a dead letter that is replayed has none.
   */
  headers: Record<string, string>;
}

/** A job that was sent, or was not. */
export interface ISentMessage extends ISendMessage {
  /** What `send()` rejects with, if it does. */
  error?: IRedisError;
}

/** A job that is run. */
export interface IReceiveMessage {
  consumer: Consumer;
  job: IReceivedJob;
  /** The stream, as `process()` got it. */
  stream: string;
  group: string;
  /** What subscribers of `hfxbus:send` have added, where it was sent; empty if there was none. */
  headers: Record<string, string>;
}

/** A job that has ended. */
export interface ISettleMessage extends IReceiveMessage {
  /**
   * - `resolved`, `rejected`: as its processor says, or `resolve()` or `reject()`
   * - `timedOut`: its `deadline` has passed
   * - `abandoned`: `stop()` waits no longer, and has handed it back
   */
  outcome: 'resolved' | 'rejected' | 'timedOut' | 'abandoned';
  /** What was thrown, or why it did not come to an end; unless it was resolved. */
  error?: any;
}

/** What has become of an entry. */
export interface IEntryMessage<Entry> {
  consumer: Consumer;
  group: string;
  entry: Entry;
}

/** What was trimmed. */
export interface ITrimMessage extends ITrimmedEntries {
  consumer: Consumer;
  group: string;
}

/** Which consumers were removed from a group. */
export interface IRemoveMessage {
  /** The consumer that removed them. */
  consumer: Consumer;
  group: string;
  /** The stream, as `process()` got it. */
  stream: string;
  /** The names that were removed. */
  consumers: string[];
}

/** A connection that has another state. */
export interface IConnectionMessage {
  manager: ConnectionManager;
  /**
   * - of the connection that everything shares, as a ConnectionManager emits: `connect`, `ready`, `reconnecting`
   * - of `getClient()`, as that emits: `connecting`, `connect`, `ready`, `close`, `reconnecting`, `end`
   * - of a node, with `eject`: `eject`, `readmit`
   * - `end` of no node: `stop()` has closed all
   */
  state: string;
  /** `host:port`, or the path of the socket, where that is known. */
  node?: string;
  /** The index of the node, if it is about one. */
  index?: number;
  /** The name that `getClient()` got, if it is such a connection. */
  client?: string;
  /** Why it is so, where there is a reason. */
  error?: IRedisError;
}

// ----------------------------------------------------------------------------------------------------------- Shutdown

/** How a process that is told to end does so. */
export interface IShutdownOptions {
  /**
   * For how many ms to wait for jobs in flight; what has not ended by then is handed back.
   * @default 10000
   */
  timeout?: number | undefined;
  /**
   * What tells the process.
   * @default ['SIGTERM', 'SIGINT']
   */
  signals?: string[] | null | undefined;
  /**
   * Whether the process then ends by that signal, unless somebody else listens for it.
   * @default true
   */
  exit?: boolean | undefined;
}

/** What `gracefulShutdown()` gives. */
export interface IShutdown {
  /** Does it now; the same promise each time, which never rejects. */
  shutDown(): Promise<void>;
  /** Listens for signals no more. */
  cancel(): void;
}

/**
 * Pauses consumers, closes producers and stops managers, in this order, when the process gets a signal, and then lets it
 * end. A signal that comes within 500 ms after the first one is the same one, whichever of `signals` it is: npm, tsx and
 * process managers pass signals on that the process has got already. A later one ends the process at once.
 *
 * @param members - one, or several; a manager's consumers end with it, but pause first if they are named
 * @throws TypeError or RangeError that names what cannot be ended, or the option
 */
export declare function gracefulShutdown(
  members: ConnectionManager | Producer | Consumer | Array<ConnectionManager | Producer | Consumer>,
  options?: IShutdownOptions,
): IShutdown;
