/**
 * hfxbus: a message bus on Redis Streams and Pub/Sub.
 *
 * A job is an id in a stream plus payload keys beside it. Producers send jobs, consumers of any number of groups run
 * them, and each group's completion comes back to the producer.
 *
 * These types need neither `@types/node` nor those of a Redis client.
 *
 * @packageDocumentation
 */

import type { RedisCommand } from './redis-commands';

declare global {
  // As in `@types/node`, for programs that compile without the types of ES2023.
  interface SymbolConstructor {
    /** Key of the method that `await using` calls. */
    readonly asyncDispose: unique symbol;
  }
}

// ---------------------------------------------------------------------------------------------------------- Constants

/** Number of characters of a generated id. Ids of jobs, producers and consumers consist of `A-Za-z0-9_-`. */
export declare const HFXBUS_ID_SIZE: 16;

/**
 * Route to all nodes of `nodes()`: a producer spreads jobs by their ids, and a consumer reads from all nodes. It has no effect
 * on one Redis, and on a Cluster.
 *
 * Not registered with `Symbol.for`: each copy of the package has its own.
 */
export declare const DISTRIBUTED_ROUTING: unique symbol;

// ------------------------------------------------------------------------------------------------------------- Errors

/**
 * Defines an enumerable property that cannot be changed.
 *
 * @returns true on success; false for a second call with another value
 * @throws TypeError if `object` is not an object
 */
export declare function withValue(object: any, property: string, value: any): boolean;

/**
 * Sets `code` and `errno` of an error. The first kind of an error stays.
 *
 * @returns the same error
 * @throws TypeError if `error` is not an object
 */
export declare function setErrorKind<T extends Error>(error: T, kind: string): T & { code?: string; errno?: string };

/**
 * Error reply of Redis, or error of a command without a reply.
 *
 * `code` is the first word of an error reply (`WRONGTYPE`, `NOAUTH`, …) or the name of a socket's error
 * (`ECONNREFUSED`, `ENOTFOUND`, …), or else one of
 *
 * | code | meaning |
 * |---|---|
 * | `CONNECTION_CLOSED` | the connection was closed for good: `stop()`, or `retryStrategy` gave up |
 * | `CONNECTION_LOST` | the connection was lost after the command was sent, and the command must not be sent twice |
 * | `CONNECTION_FAILED` | the connection failed, and the system gives no reason |
 * | `MAX_RETRIES` | `maxRetriesPerRequest` reconnections have failed |
 * | `NOT_READY` | there is no connection, and `enableOfflineQueue` is false |
 * | `QUEUE_FULL` | `maxQueuedCommands` or `maxQueuedBytes` is reached; the command was not sent |
 * | `REQUEST_TOO_LARGE` | the commands of one call exceed `maxQueuedCommands` or `maxQueuedBytes` by themselves; none was sent |
 * | `COMMAND_TIMEOUT` | no reply within `commandTimeout` |
 * | `PROTOCOL_ERROR` | the received bytes are not a reply of Redis |
 * | `NODE_EJECTED` | the node is out of the ring, see {@link IEjectOptions}; earlier commands can have been executed |
 * | `OWNERSHIP_LOST` | the partition of the job has another owner, which runs the job again |
 * | `UNSUPPORTED_COMMAND` | a {@link RedisClient} refuses the command |
 */
export interface IRedisError extends Error {
  /** `ReplyError`, `MaxRetriesPerRequestError` or `Error`. */
  name: string;
  /**
   * Text of Redis for an error reply. It contains neither arguments nor a password. Only the error of an unknown command
   * repeats the beginning of that command.
   */
  message: string;
  /** Code, see above. An error of an `'error'` event has the event's code here instead. */
  code: string;
  /** Same as `code`, if an event has set it. */
  errno?: string;
  /** Failed command, in upper case. */
  command?: string;
  /** `host:port`, or the path of the socket. */
  node?: string;
  /** Last error of the connection, if the command failed without one, such as `ECONNREFUSED`. */
  cause?: unknown;
}

/** Error of a `send()` at `backlogLimit`, see {@link IRetentionOptions}. The job was not sent. */
export interface IBacklogError extends Error {
  /** The code. */
  code: 'BACKLOG_FULL';
  /** Same as `code`. */
  errno: 'BACKLOG_FULL';
  /** The stream. */
  stream: string;
  /** Group with the largest backlog; null for a stream without groups. A group of another program has its name in Redis. */
  group: string | null;
  /** Number of entries that the group has not acknowledged, as far as the producer knows. */
  backlog: number;
}

/** Error of a producer's `'error'` event. */
export interface IProducerError extends Error {
  /**
   * - `MESSAGE_PARSING`: a message on a completion channel is not a completion; see `pubsub`. It is skipped.
   * - `LISTENER_ERROR`: a listener of a stream event threw this.
   * - `EVENTS_DROPPED`: `count` completions for listeners were dropped while the event loop was blocked. Completions for
   *   `job.finished()` are never dropped.
   */
  code: string;
  /** Same as `code`. */
  errno?: string;
  /** Message, parsed if it is JSON, and its channel, with `MESSAGE_PARSING`. */
  pubsub?: { message: any; channel: string };
  /** Number of dropped completions, with `EVENTS_DROPPED`. */
  count?: number;
}

/** Error of a consumer's `'error'` event. */
export interface IConsumerError extends Error {
  /**
   * - `CONSUME_ERROR`: a read failed; the consumer retries it after a delay that grows with each failure.
   * - `UNHANDLED_JOB_ERROR`: a processor threw this after its job was settled; see `job`.
   * - `REJECT_JOB_ERROR`: the settlement of a job failed; its entry stays pending. See `job`. After ten such errors in a
   *   second one error covers all others of that second, without `job` and with their `count`.
   * - `NEXT_CALLED_LATE`: a middleware called `next()` after its end and did not handle its error; see `job`.
   * - `FOREIGN_ENTRY`: an entry in the stream is not one of this bus.
   * - `LISTENER_ERROR`: a listener of `'drained'` threw this.
   */
  code: string;
  /** Same as `code`. */
  errno?: string;
  /** Job of the error. */
  job?: IReceivedJob;
  /** Number of jobs, for a `REJECT_JOB_ERROR` that covers several. */
  count?: number;
  /** Thrown value, if it was not an object. */
  cause?: unknown;
}

/**
 * Error of a job that must not run again, thrown by a processor or passed to `job.reject()`: the job is not delivered again,
 * whatever `retryLimit` is. Any error whose property `retry` is false has the same effect.
 */
export declare class UnrecoverableError extends Error {
  /** False: the job must not run again. */
  retry: boolean;
}

/** Error of a promise or a job that has timed out. */
export interface ITimeoutError extends Error {
  /**
   * - `FINISH_TIMEOUT`: `job.finished(timeout)`
   * - `PAUSE_TIMEOUT`: `consumer.pause(timeout)`
   * - `DEADLINE_TIMEOUT`: a processor's `deadline`; producers get it as the job's error
   */
  code: 'FINISH_TIMEOUT' | 'PAUSE_TIMEOUT' | 'DEADLINE_TIMEOUT';
  /** Same as `code`. */
  errno: string;
  /**
   * Reason for a `FINISH_TIMEOUT`, which the message contains too. Missing without a connection, without an answer within
   * 250 ms, or without permission for the query.
   */
  diagnosis?: IFinishDiagnosis;
}

/** State of a job in Redis at the timeout of `job.finished(timeout)`. */
export interface IFinishDiagnosis {
  /** The stream. */
  stream: string;
  /** The server that has it, as `host:port` or the path of its socket. */
  node: string;
  /** The id of the job's entry. */
  entry: string;
  /** Each group of `waitFor`, in that order. */
  groups: IGroupDiagnosis[];
  /**
   * The payload keys that were set after `send()` and not pushed. A write before `send()` has left with it. A processor cannot
   * see these values.
   */
  unpushed: string[];
}

/** State of a job for a group. Unknown values, and values without a meaning in this state, are null. */
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
  /** Explanation of the state, with advice. */
  reason: string;
  /** Number of consumers of the group on the stream. */
  consumers: number | null;
  /** Number of entries delivered to the group and not acknowledged. */
  pending: number | null;
  /** Time since the last read of any of its consumers, in ms. */
  lastRead: number | null;
  /** Number of entries not yet delivered to the group. Redis 7 or later. */
  lag: number | null;
  /** Consumer that has the job. */
  owner: string | null;
  /** Time since the last command of that consumer, in ms. */
  ownerSeen: number | null;
  /** Time since the last delivery, claim or lease renewal of the entry, in ms. */
  idle: number | null;
  /** Number of deliveries of the entry to the group. */
  deliveries: number | null;
  /** Last error of the processor, as in completions. */
  error: any;
}

// -------------------------------------------------------------------------------------------------------------- Signals

/** AbortSignal of any implementation. */
export interface IAbortSignal {
  readonly aborted: boolean;
  readonly reason?: any;
  addEventListener(type: 'abort', listener: () => void, options?: any): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** AbortSignal of the compiling program, if it has the type. */
export type AbortSignalOfHost = typeof globalThis extends { AbortSignal: { prototype: infer Signal } }
  ? Signal
  : IAbortSignal;

// ------------------------------------------------------------------------------------------------------------- Events

/** Listener of an event. */
export type IListener = (...args: any[]) => void;

/**
 * Emitter of eventemitter3. It does not throw for an `'error'` without a listener, and has neither `newListener` nor
 * `setMaxListeners`.
 *
 * @typeParam Events - listeners of events with known names
 * @typeParam Other - listeners of all other events
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
  /** Calls the listeners of an event. Returns true if it has any. */
  emit(event: string | symbol, ...args: any[]): boolean;
  /** Returns the listeners of an event. */
  listeners(event: string | symbol): any[];
  /** Returns the number of listeners of an event. */
  listenerCount(event: string | symbol): number;
  /** Returns the events that have listeners. */
  eventNames(): Array<any>;
}

// -------------------------------------------------------------------------------------------------- Connection options

/**
 * URL object of any realm or library.
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
  /** Complete text of the URL. */
  readonly href: string;
  /** Parameters of the URL. */
  readonly searchParams: object;
}

/** Options of the removal of acknowledged entries, and of the limit of a backlog. They hold for all streams of the bus. */
export interface IRetentionOptions {
  /**
   * `'acknowledged'` removes an entry once every group that the stream has then has acknowledged it. An entry that a group has not
   * read, or that is pending, stays, with all later ones. So a failed job holds its stream for ever in a group whose consumers have
   * no `claimInterval`, or no `deadLetter` after `retryLimit`. A stream without a group keeps all entries. One consumer of the stream
   * at a time does that; its bus must have the option. Redis must be 6.2 or later. With it `send()` with `capped` is a TypeError.
   * @default no entry is removed
   */
  retain?: 'acknowledged' | null | undefined;
  /**
   * Minimum time that an entry stays after its last acknowledgement, in ms, at most a day.
   * @default 5000
   */
  retainFor?: number | undefined;
  /**
   * Maximum backlog of a stream: the number of entries that the slowest group has not acknowledged. At it `send()` rejects with
   * the code `BACKLOG_FULL`. One producer does not exceed the limit. Several exceed it by at most the jobs that the others send
   * within 250 ms and one query. Each partition of a partitioned stream has a limit of its own. Before Redis 7, for a group with an
   * unknown lag, and without groups, the length of the stream counts. Acknowledged entries are in it until they are removed, so
   * without `retain` the code can stay for ever there. Dead letters and `DeadLetters.replay()` have no limit. 0 is no limit.
   * @default 0
   */
  backlogLimit?: number | undefined;
}

/** Options of the bus for a connection. */
export interface IRedisClientOptions extends IRetentionOptions {
  /**
   * Prefix of every key and channel.
   * @default 'hfxbus'
   */
  keyPrefix?: string | undefined;
  /**
   * Without effect: the keys of one push or pull always leave in one write.
   * @default true
   */
  enablePipelining?: boolean | undefined;
  /**
   * Position of a node of `nodes()` among the others, by which hashes count them.
   * @default its index
   */
  sequence?: number | undefined;
  /**
   * Routes that lead to this node of `nodes()` whatever their hash. A number is the hash itself.
   * @default []
   */
  staticRoutes?: Array<string | number> | undefined;
}

/**
 * Options of TLS, the supported part of Node's. Others are ignored. An invalid option is a TypeError that names it. A refused
 * certificate of either side is an error with Node's code for it.
 */
export interface ITlsOptions {
  /**
   * Trusted certificate authorities, or a self-signed certificate of the server, PEM.
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
   * Refuses a server without a valid certificate for its name.
   * @default true
   */
  rejectUnauthorized?: boolean | undefined;
  [option: string]: any;
}

/** Address of a server. */
export interface IAddress {
  /** Host name or IP address. */
  host?: string | undefined;
  /** Port from 1 to 65535, as a number or as digits. */
  port?: number | string | undefined;
  /** Other options of ioredis, which are ignored. */
  [option: string]: any;
}

/**
 * Options of sentinels. With them `host`, `port` and `path` are ignored, and all connections of a bus to that Redis follow its
 * failovers. A connection to a server of another role is closed, and a command that got READONLY is sent to the new primary.
 */
export interface ISentinelOptions {
  /** Sentinels, at least one of which must answer. Default host localhost, default port 26379. */
  sentinels?: IAddress[] | null | undefined;
  /** Name of the Redis at the sentinels. Required with `sentinels`. */
  name?: string | undefined;
  /**
   * Role of the Redis: the primary, or one of its replicas. A bus writes, so that a replica serves `getClient()` only.
   * @default 'master'
   */
  role?: 'master' | 'slave' | undefined;
  /** Username for AUTH at the sentinels, with a password. */
  sentinelUsername?: string | null | undefined;
  /** Password for AUTH at the sentinels; `password` is for Redis. */
  sentinelPassword?: string | null | undefined;
  /** TLS for connections to the sentinels, as `tls`. */
  sentinelTLS?: ITlsOptions | boolean | undefined;
  /**
   * Applies `tls` to connections to Redis as well. Required, true or false, with `tls` and `sentinels`.
   */
  enableTLSForSentinelMode?: boolean | undefined;
  /**
   * Returns the delay before all sentinels are asked again, in ms, for the number of failed rounds. Any other value than a
   * number ends the connection. These rounds do not count for `maxRetriesPerRequest`.
   * @default times => Math.min(times * 10, 1000)
   */
  sentinelRetryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * Maximum time for a reply of a sentinel. The next sentinel is asked after half a second without a reply.
   * @default connectTimeout
   */
  sentinelCommandTimeout?: number | undefined;
  /**
   * Asks sentinels that other sentinels have named, too.
   * @default true
   */
  updateSentinels?: boolean | undefined;
  /**
   * Subscribes to one of the sentinels, so that a failover is followed when it is announced. Without it a lost connection or
   * READONLY shows a failover.
   * @default true
   */
  failoverDetector?: boolean | undefined;
  /** External address of a server, by its address at the sentinels as `'host:port'`. */
  natMap?: { [address: string]: IAddress } | null | undefined;
  /** Preferred replicas with `role: 'slave'`, the lowest `prio` first. Functions are not called. */
  preferredSlaves?: any;
  /** Without effect: a sentinel that is lost is replaced by the next one at once. */
  sentinelReconnectStrategy?: ((times: number) => number | void | null) | null | undefined;
  /** Without effect: one sentinel is listened to. */
  sentinelMaxConnections?: number | undefined;
}

/**
 * Options of a connection to one Redis. Names, meanings and defaults are those of ioredis 4, whose option objects can be passed
 * unchanged. Other options are ignored. Times are in ms.
 *
 * A value of the wrong type is a TypeError, and an invalid value a RangeError. Both name the option. `undefined`, `null` and
 * `NaN` mean the default, unless stated otherwise.
 */
export interface IStandaloneOptions extends IRedisClientOptions, ISentinelOptions {
  /** URL, see {@link IUrl}. It overrides the other options. */
  url?: string | IUrl | null | undefined;
  /**
   * Host name or IP address.
   * @default 'localhost'
   */
  host?: string | undefined;
  /**
   * Port from 1 to 65535, as a number or as digits.
   * @default 6379
   */
  port?: number | string | undefined;
  /** Path of a unix socket. With it `host` and `port` are ignored. */
  path?: string | undefined;
  /**
   * Family of IP addresses: 4 or 6, 0 for either.
   * @default 4
   */
  family?: number | undefined;
  /** Username for AUTH, with a password (Redis 6 and later). */
  username?: string | undefined;
  /** Password for AUTH. No printed object shows it. */
  password?: string | undefined;
  /**
   * Number of the database (SELECT).
   * @default 0
   */
  db?: number | undefined;
  /** Name of every connection (CLIENT SETNAME). */
  connectionName?: string | undefined;
  /** Options of TLS, or `true` for the defaults. */
  tls?: ITlsOptions | boolean | undefined;
  /**
   * Maximum time to connect; 0 for no limit.
   * @default 10000
   */
  connectTimeout?: number | undefined;
  /**
   * Maximum time for a reply, except for blocking reads of jobs.
   * @default no limit
   */
  commandTimeout?: number | undefined;
  /**
   * Maximum time in which a connection of the bus receives nothing while it waits for a reply. After it the connection is
   * replaced, and commands without a reply are sent again. Subscribers send PING. 0 for no limit. A blocking read of jobs
   * gets `blockTimeout` plus 5 s, or `socketTimeout` if that is less. Private clients have no limit. ioredis 4 does not have
   * this option.
   * @default 30000
   */
  socketTimeout?: number | undefined;
  /**
   * Idle time before TCP keep-alive probes a connection, at most 32767 s; 0 for never.
   * @default 0
   */
  keepAlive?: number | undefined;
  /**
   * Sets TCP_NODELAY.
   * @default true
   */
  noDelay?: boolean | undefined;
  /**
   * Opens a connection of `getClient()` at its first command.
   * @default false
   */
  lazyConnect?: boolean | undefined;
  /**
   * Lets commands wait for a connection. If false, they fail with `NOT_READY` without one.
   * @default true
   */
  enableOfflineQueue?: boolean | undefined;
  /**
   * Maximum number of commands that wait on one connection, to be sent or for a reply. Further commands fail with
   * `QUEUE_FULL` and are not sent. Infinity for no limit. ioredis 4 has no limit.
   *
   * The commands of one `push()`, `pull()`, pipeline or transaction are sent together or not at all. With more commands than
   * that it fails with `REQUEST_TOO_LARGE`. A `send()` with set values has one for each, and three more.
   * @default 1000000
   */
  maxQueuedCommands?: number | undefined;
  /**
   * Maximum size of commands that wait on one connection, in bytes. One command alone is always accepted.
   * @default 536870912
   */
  maxQueuedBytes?: number | undefined;
  /**
   * Uses a connection only after Redis has loaded its data (INFO).
   * @default true
   */
  enableReadyCheck?: boolean | undefined;
  /**
   * Maximum time between two checks of `enableReadyCheck`, in ms. Redis estimates the rest of its loading time, and the
   * check waits for no longer than that. The estimate can be far too long.
   * @default 500
   */
  maxLoadingRetryTime?: number | undefined;
  /**
   * Returns the delay before the next attempt to connect, in ms, for the number of failed attempts. Any other value than a
   * number ends the connection.
   * @default times => Math.min(times * 50, 2000)
   */
  retryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * Number of failed attempts to connect after which waiting commands fail with `MAX_RETRIES`; `null` for no limit. Before
   * the first connection, later calls wait no longer than the first ones did.
   * @default 20
   */
  maxRetriesPerRequest?: number | null | undefined;
  /**
   * Returns the effect of an error reply on the connection: false for none, true or 1 to reconnect, 2 to reconnect and send
   * the command again.
   * @default () => false
   */
  reconnectOnError?: ((error: Error) => boolean | 1 | 2) | null | undefined;
  /**
   * Restores subscriptions after a reconnection.
   * @default true
   */
  autoResubscribe?: boolean | undefined;
  /**
   * Sends commands without a reply again after a reconnection. If false, they fail with `CONNECTION_LOST`.
   * @default true
   */
  autoResendUnfulfilledCommands?: boolean | undefined;
  /**
   * Makes a {@link RedisClient} return integers as strings, which are exact beyond 2^53 too.
   * @default false
   */
  stringNumbers?: boolean | undefined;
  /**
   * Sends READONLY after connecting.
   * @default false
   */
  readOnly?: boolean | undefined;
  /** Other options of ioredis, which are ignored. */
  [option: string]: any;
}

/**
 * Startup node of a Cluster: `host:port`, a URL, a port on this machine, or an address. Options in a URL apply to every node,
 * and `redisOptions` override them. A Cluster has database 0 only.
 */
export type IClusterNode =
  | string
  | number
  | IUrl
  | { url?: string | IUrl | undefined; host?: string | undefined; port?: number | undefined };

/** Options of a Redis Cluster, see `ConnectionManager.cluster()`. Names, meanings and defaults are those of ioredis 4. */
export interface IClusterOptions extends IRedisClientOptions {
  /** Options of every node's connection, except for its address and `db`. `lazyConnect` and others can be in either place. */
  redisOptions?: IStandaloneOptions | undefined;
  /**
   * Returns the delay before the startup nodes are asked again, in ms, for the number of failed attempts. Any other value than
   * a number ends the connection.
   * @default times => Math.min(100 + times * 2, 2000)
   */
  clusterRetryStrategy?: ((times: number) => number | void | null) | null | undefined;
  /**
   * Maximum number of redirects (MOVED, ASK) of a command.
   * @default 16
   */
  maxRedirections?: number | undefined;
  /**
   * Nodes to read payloads from: primaries, replicas, which can lag behind, or either.
   * @default 'master'
   */
  scaleReads?: 'master' | 'slave' | 'all' | undefined;
  /** External address of a node, by its address in the Cluster as `'host:port'`. */
  natMap?: { [address: string]: IAddress } | null | undefined;
  /**
   * Delay of a command after its slot has moved.
   * @default 0
   */
  retryDelayOnMoved?: number | undefined;
  /**
   * Delay of a command after its node was lost.
   * @default 100
   */
  retryDelayOnFailover?: number | undefined;
  /**
   * Delay of a command while the Cluster is down.
   * @default 100
   */
  retryDelayOnClusterDown?: number | undefined;
  /**
   * Delay of a command while its slot migrates (TRYAGAIN).
   * @default 100
   */
  retryDelayOnTryAgain?: number | undefined;
  /**
   * Maximum time for the slot map of a node.
   * @default 1000
   */
  slotsRefreshTimeout?: number | undefined;
  /**
   * Interval of slot map refreshes without a cause; 0 for never.
   * @default 5000
   */
  slotsRefreshInterval?: number | undefined;
  /**
   * Channels of the completions of this bus's jobs. With `'sharded'` consumers answer with SPUBLISH in the slot of the stream, so
   * a completion stays on its node. That needs Redis 7 or Valkey on all nodes; on older ones `send()` with `waitFor` rejects with
   * the error of SSUBSCRIBE. `producer.listen(stream)` of other processes does not get these completions. Consumers of 2.x, and of
   * streams whose name has an unmatched `}`, use PUBLISH, and the producer receives both.
   *
   * With `'published'` consumers use PUBLISH. Each node of the Cluster then sends each completion to all others.
   * @default 'published'
   */
  completions?: 'published' | 'sharded' | undefined;
  /**
   * Lets commands wait for the slot map. If false, they fail with `NOT_READY` without one.
   * @default true
   */
  enableOfflineQueue?: boolean | undefined;
  /**
   * Uses a node only after it has loaded its data (INFO).
   * @default true
   */
  enableReadyCheck?: boolean | undefined;
  /**
   * Opens a connection of `getClient()` at its first command.
   * @default false
   */
  lazyConnect?: boolean | undefined;
  /** Other options of ioredis, which are ignored. */
  [option: string]: any;
}

/** Several Redis, partitioned by this client, see `ConnectionManager.nodes()`. */
export interface IRedisNodes extends IRedisClientOptions {
  /** Options or URL of each node. */
  nodes: Array<IStandaloneOptions | string | IUrl>;
  /**
   * Ejects nodes that fail from the ring; `true` for the defaults. The producers of a fleet can get the option one after the
   * other: it changes new ids only, never the place of anything.
   * @default false
   */
  eject?: IEjectOptions | boolean | undefined;
}

/**
 * Options of ejection from the ring of `nodes()`, and of readmission.
 *
 * A failure is a failed attempt to connect, a lost connection, and, after `timeout` ms without an expected reply, every tenth
 * of `timeout`. A node without an expected reply is sent PING. A reply resets the count.
 *
 * An ejected node gets no new jobs: `producer.job()` makes ids that lead to other nodes. Commands for the ejected node fail at
 * once with code `NODE_EJECTED`: `push()`, `pull()`, `send()`, and a `send()` with `waitFor` or a `listen()` to a stream whose
 * completions are published there. Consumers take no jobs from it.
 *
 * The node is probed on a separate connection, `probeInterval` ms after it was ejected, then after twice as long each time, up to
 * 30 s, and readmitted once it has answered two PINGs that are `timeout` ms apart. No node is ejected or readmitted within
 * `probeInterval` ms after it was readmitted or ejected.
 */
export interface IEjectOptions {
  /**
   * Number of consecutive failures that eject a node.
   * @default 3
   */
  failures?: number | undefined;
  /**
   * Maximum time for a reply, in ms.
   * @default 1000
   */
  timeout?: number | undefined;
  /**
   * Minimum time between an ejection and a readmission of a node, and in reverse, in ms.
   * @default 5000
   */
  probeInterval?: number | undefined;
}

/** Ejection or readmission of a node. */
export interface IRingChange {
  /** Host of the node, unless it has a `path`. */
  host?: string;
  /** Port of the node. */
  port?: number;
  /** Path of its unix socket, if it has one. */
  path?: string;
  /** Index of the node, in the order of `sequence`. */
  index: number;
  /** Number of consecutive failures, including probes. */
  failures: number;
  /** Last of these failures. */
  error: IRedisError;
}

/** Change of the connection to a node. */
export interface INodeChange {
  /** `host:port`, or the path of the socket. */
  node: string;
  /** Index of the node of `nodes()`, in the order of `sequence`; otherwise 0. */
  index: number;
  /** Reason of `'reconnecting'`, if it is known. */
  error?: IRedisError;
}

/**
 * Listeners of a manager's events. Events of connections are about the shared connection, and are emitted once per change,
 * whatever the number of attempts.
 */
export interface IConnectionManagerEvents {
  /** The connection to a node is open. Not emitted for a Cluster, which has several nodes. */
  connect: (node: INodeChange) => void;
  /** The connection can be used. */
  ready: (node: INodeChange) => void;
  /** The connection was lost or has failed, and will be opened again. */
  reconnecting: (node: INodeChange) => void;
  /** A node was ejected from the ring, see {@link IEjectOptions}. */
  eject: (node: IRingChange) => void;
  /** A node was readmitted. */
  readmit: (node: IRingChange) => void;
  /** A listener of another event threw the error, which has code `LISTENER_ERROR`. */
  error: (error: any) => void;
}

// ------------------------------------------------------------------------------------------------ Connection manager

/** Properties of a client of the bus beside its connection. */
export interface IRedisClient extends IRedisClientOptions {
  /** Never set. Declared for programs that name it. */
  usedBy?: number;
  /** Never set. Declared for programs that name it. */
  stopped?: boolean;
  /** Never set. Declared for programs that name it. */
  boundProducers?: Set<string>;
}

/** Listeners of a connection's states and errors, with the names of ioredis. */
export interface IRedisClientEvents {
  /** The connection failed, or a listener of another event threw the error (code `LISTENER_ERROR`). */
  error: (error: IRedisError) => void;
  /** The connection is being opened. */
  connecting: () => void;
  /** The connection is open. */
  connect: () => void;
  /** The connection can be used. */
  ready: () => void;
  /** The connection was lost or closed. */
  close: () => void;
  /** The connection will be opened again. */
  reconnecting: () => void;
  /** The connection has ended for good. */
  end: () => void;
}

/** Argument of a command. Numbers and Dates are sent as text, null and undefined as an empty text, bytes as bytes. */
export type IRedisWord = string | number | bigint | boolean | Date | ArrayBufferView | ArrayBuffer | null | undefined;

/** Arguments, single or in arrays: `mget('a', 'b')` and `mget(['a', 'b'])` are equal. */
export type IRedisArgument = IRedisWord | ReadonlyArray<IRedisWord>;

/** Fields and their values, for HSET, HMSET, MSET and MSETNX. */
export type IRedisFields = { readonly [field: string]: IRedisWord } | ReadonlyMap<IRedisWord, IRedisWord>;

/** Arguments of a method of a client or a pipeline. */
export type IRedisArguments<Method> = Method extends `${'hset' | 'hmset' | 'mset' | 'msetnx'}${'' | 'Buffer'}`
  ? Array<IRedisArgument | IRedisFields>
  : IRedisArgument[];

/** Commands with a generated method: all except those that a connection of the bus refuses, or that have their own method. */
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

/** Name of a command's method, also with `Buffer` at its end for a reply with Buffers instead of strings. */
export type IRedisMethod = IRedisCommandName | `${IRedisCommandName}Buffer`;

/**
 * Every command of Redis as a method: `client.xlen('hfxbus:str:concat')`.
 *
 * A method resolves with the reply as in ioredis 4: strings, numbers, null and arrays of these, and an object for HGETALL. The
 * type parameter is the type of the reply. It rejects with an {@link IRedisError}, or with a TypeError for an invalid argument.
 */
export type IRedisCommands = {
  [Method in IRedisMethod]: <T = any>(...args: IRedisArguments<Method>) => Promise<T>;
};

/** Every command as a method of a pipeline. A method throws a TypeError for an invalid argument. */
export type IRedisPipelineCommands<Pipeline> = {
  [Method in IRedisMethod]: (...args: IRedisArguments<Method>) => Pipeline;
};

/** Result of a command of a pipeline: its reply, or its error only. */
export type IRedisResult<T = any> = [error: IRedisError | null, result: T];

/** Common methods of pipelines and transactions. */
export interface IRedisCollector<Self> extends IRedisPipelineCommands<Self> {
  /** Number of collected commands. */
  readonly length: number;
  /** Collects any command. */
  call(command: string, ...args: IRedisArgument[]): Self;
  /** Collects any command, for a reply with Buffers. */
  callBuffer(command: string, ...args: IRedisArgument[]): Self;
}

/** Pipeline: commands that are sent in one write. */
export interface IRedisPipeline extends IRedisCollector<IRedisPipeline> {
  /** Begins a transaction within the pipeline. */
  multi(): IRedisOpenTransaction;
  /** Sends the commands. Resolves with error and result of each, in order. Never rejects because of a reply. */
  exec<T = any>(): Promise<Array<IRedisResult<T>>>;
}

/** A transaction within a pipeline. */
export interface IRedisOpenTransaction extends IRedisCollector<IRedisOpenTransaction> {
  /** Ends the transaction and returns the pipeline. */
  exec(): IRedisPipeline;
}

/** Transaction: commands that are sent in one write and run as one (MULTI, EXEC). */
export interface IRedisTransaction extends IRedisCollector<IRedisTransaction> {
  /**
   * Executes the transaction.
   *
   * @returns resolves with error and result of each, or with null if a watched key has changed; rejects if nothing was
   * run, with the errors that led to that as `previousErrors`
   */
  exec<T = any>(): Promise<Array<IRedisResult<T>> | null>;
}

/**
 * Private connection from `ConnectionManager.getClient()`. After `quit()`, `disconnect()`, the bus' `stop()`, or the end of
 * `retryStrategy`, its commands fail with `CONNECTION_CLOSED`.
 *
 * It can block (BLPOP, XREAD BLOCK) without an effect on the bus. Commands that would change the connection itself are refused
 * with `UNSUPPORTED_COMMAND`: subscriptions, MONITOR, CLIENT REPLY, HELLO 3, SYNC and PSYNC.
 */
export interface RedisClient extends IRedisClient, IRedisCommands, IEmitter<IRedisClientEvents> {
  /** Prefix of every key of the bus. It is not added to the keys of commands. */
  keyPrefix: string;
  /** Value of the option of the bus. */
  enablePipelining: boolean;
  /** State: `wait`, `connecting`, `connect`, `ready`, `close`, `reconnecting` or `end`. */
  readonly status: string;
  /**
   * Sends any command.
   *
   * @typeParam T - type of the reply
   * @returns the reply; rejects with an {@link IRedisError}
   * @example await client.call('xlen', 'hfxbus:str:concat')
   */
  call<T = any>(command: string, ...args: IRedisArgument[]): Promise<T>;
  /** Sends any command, for a reply with Buffers instead of strings. */
  callBuffer<T = any>(command: string, ...args: IRedisArgument[]): Promise<T>;
  /**
   * Collects commands that leave in one write.
   *
   * @param commands - first commands, each an array of a method's or command's name and its arguments
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
  /** Executes the transaction of `multi({ pipeline: false })`. */
  exec<T = any>(): Promise<Array<IRedisResult<T>> | null>;
  /** Sends QUIT and closes the connection. */
  quit(): Promise<'OK'>;
  /** Closes the connection at once. */
  disconnect(): void;
}

/** Options of `ConnectionManager.history()`. */
export interface IHistoryOptions {
  /** The stream. */
  stream: string;
  /**
   * Id of the entry after which to read, such as the last one that was read before. `'0'` for the very first entry, so that earlier
   * removals are a gap. `'$'` for entries from now on. A time that is no entry belongs to `since`.
   * @default the oldest entry
   */
  fromId?: string | undefined;
  /** Time of the first entry, by the clock of Redis: a Date or ms. It excludes `fromId`. */
  since?: Date | number | undefined;
  /**
   * Waits for further entries after the last one. The iteration then ends by `break`, by `signal`, or by a stop of the bus.
   * @default false
   */
  live?: boolean | undefined;
  /**
   * Route to the node of `nodes()`. One history reads one node.
   * @default the stream
   */
  route?: string | undefined;
  /**
   * Maximum time of one blocking read (XREAD BLOCK), in ms. It is at most half of `commandTimeout`.
   * @default 5000
   */
  blockTimeout?: number | undefined;
  /** Its abort rejects with its reason. */
  signal?: IAbortSignal | undefined;
  /**
   * Called with entries that were removed before they were read. The iteration goes on behind them. Without it the iteration
   * rejects with an {@link IHistoryTrimmedError}.
   * @default none
   */
  onTrimmed?: ((gap: IHistoryGap) => void) | undefined;
}

/** Entry of a history. */
export interface IHistoryEntry {
  /** Id of the entry, for `fromId`. */
  readonly id: string;
  /** Time of the entry, by the clock of Redis. */
  readonly date: Date;
  /** Name of the stream, as passed to `history()`. */
  readonly stream: string;
  /** Id of the job. Empty for an entry that is no job. */
  readonly jobId: string;
  /** Id of the producer. Empty without one. */
  readonly producerId: string;
  /** The job. Its `pull()` needs no round trip for values that the entry carries, and reads payload keys of others. */
  readonly job: Job;
  /** Values that the entry carries, see {@link ISendOptions.carry}, by payload key. A value that is not JSON is a Buffer. */
  readonly values: { [key: string]: any };
}

/** Entries of a stream that were removed before a history has read them. */
export interface IHistoryGap {
  /** Name of the stream, as passed to `history()`. */
  stream: string;
  /** Id after which they were. */
  after: string;
  /** Id of the oldest entry that is left; null without one. */
  oldest: string | null;
  /**
   * Number of the entries. null if it is unknown: before Redis 7, if the stream was made again, and for a `fromId` or `since`
   * whose entry is gone. The gap can be empty then.
   */
  count: number | null;
}

/** Error of a history whose entries were removed before they were read. */
export interface IHistoryTrimmedError extends Error, IHistoryGap {
  code: 'HISTORY_TRIMMED';
  /** Same as `code`. */
  errno: string;
}

/** @see IEmitter */
export interface ConnectionManager extends IEmitter<IConnectionManagerEvents> {}

/**
 * Connections of a bus. They are opened on first use, and keep the process alive until `stop()`.
 *
 * Create a manager with {@link ConnectionManager.standalone}.
 */
export declare class ConnectionManager {
  /**
   * Creates a bus on one Redis.
   *
   * @param standalone - options, or a URL, see {@link IUrl}
   * @throws TypeError or RangeError that names the option, before any connection
   */
  static standalone(standalone?: IStandaloneOptions | string | IUrl): ConnectionManager;
  /**
   * Creates a bus on a Redis Cluster. Streams and payloads can be in any slots; one consumer reads any number of streams.
   *
   * @param startupNodes - nodes that are asked for the others, at least one
   * @throws TypeError or RangeError that names the option, before any connection
   */
  static cluster(startupNodes: IClusterNode[], cluster?: IClusterOptions): ConnectionManager;
  /**
   * Creates a bus on several independent Redis, partitioned by this client. The job's id decides on the node of a payload,
   * the route, by default the stream, on that of an entry, and the stream on that of a completion. A consumer reads from the
   * node of its `route`, by default its group. So producers and consumers must share a route, or use DISTRIBUTED_ROUTING.
   *
   * @throws TypeError or RangeError that names the option, before any connection
   */
  static nodes(nodes: IRedisNodes): ConnectionManager;

  /** Creates a bus. Prefer the static methods, whose parameters show the options that belong together. */
  constructor(options: {
    standalone?: IStandaloneOptions | string | IUrl | undefined;
    cluster?: IClusterOptions | undefined;
    startupNodes?: IClusterNode[] | undefined;
    nodes?: IRedisNodes | undefined;
  });

  /**
   * Returns a private connection. The same key returns the same connection, until that has ended.
   *
   * @throws TypeError with `nodes()`, since the key does not name a node
   */
  getClient(key: string): RedisClient;
  /** Returns a private connection to the node of a route. Equals `getClient(key)` with one Redis and with a Cluster. */
  getClientByRoute(key: string, route: string): RedisClient;
  /** Returns a private connection to each node, in the order of `sequence`; one with one Redis and with a Cluster. */
  getClients(key: string): RedisClient[];
  /** Returns the prefix of every key and channel of this bus. */
  getKeyPrefix(): string;
  /**
   * Returns the entries of a stream, the oldest first, beside all groups: each reader at its own pace, and each entry once. With
   * `live` the iteration goes on with new entries, without a gap or a repeat. A page is read when the one before it was taken. The
   * connection of its own is opened by the first read, and closed at the end of the iteration. Needs XRANGE, XINFO, MULTI and EXEC,
   * and XREAD with `live`.
   *
   * @returns iteration that rejects with an {@link IHistoryTrimmedError} without `onTrimmed`, with `CONNECTION_CLOSED` after a stop
   * of the bus, and with another {@link IRedisError}, after which a history can go on by `fromId`
   * @throws TypeError or RangeError that names the option
   */
  history(options: IHistoryOptions): AsyncGenerator<IHistoryEntry, void, undefined>;
  /**
   * Stops to read jobs, waits for those in flight, and closes every connection (QUIT). The process can exit after it, whatever
   * the state of Redis. A second call has no effect. Further use of the bus opens connections again.
   *
   * Jobs that have not ended after `maxWait` are handed back: another consumer of the group that claims (see
   * `claimInterval`) runs them again at once, with the same number of deliveries. Their `signal` aborts, and their end is an
   * `'error'` with code `REJECT_JOB_ERROR`. A job that JavaScript was too busy to begin until then does not begin here.
   *
   * @param options.maxWait - maximum time to wait, in ms. Default no limit for running jobs, and at most 5 s without progress
   *   from Redis after the last job
   * @param options.force - true to close at once, without handing anything back
   */
  stop(options?: { maxWait?: number | undefined; force?: boolean | undefined }): Promise<void>;
  /** Equals `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

// --------------------------------------------------------------------------------------------------------------- Jobs

/**
 * Job: an id, and payload keys in Redis beside the stream. The entry of a job can carry small values as well, see
 * {@link ISendOptions.carry}.
 *
 * `set()`, `get()` and `del()` only collect operations. `push()` executes the writes. `pull()` executes the reads, then the
 * removals. Writes that were not pushed leave with the job: in a producer with `send()`, in a processor with the settlement of
 * a success.
 */
export declare class Job {
  /** Id of the job. */
  readonly id: string;
  /**
   * Waits for the job's completions. Defined after `send()` with `waitFor`.
   * @see ISentJob.finished
   */
  finished: any;

  /**
   * Creates a job, as `producer.job()` does.
   *
   * @param client - client from `ConnectionManager.getClient()`
   * @param id - id of the job, by default random
   */
  constructor(client: RedisClient, id?: string);

  /** Returns the Redis key of a payload key: `{keyPrefix}:job:{id}:{key}`. */
  prefix(key: string): string;
  /**
   * Adds a write (SET, or PSETEX with a timeout). It leaves with the first of these:
   *
   * - the next `push()`
   * - the next `producer.send()` of this job object. If that send rejects, the write is collected again
   * - in a processor, the settlement of a success, see {@link IReceivedJob.resolve}. A job that fails or reaches its deadline
   *   drops the write. A write after the settlement needs `push()`
   *
   * `pull()` does not see a write that has not left.
   *
   * @param value - a Buffer, typed array, DataView or ArrayBuffer is stored as its bytes, anything else as JSON;
   * `undefined` and functions are stored as an empty value
   * @param timeout - time after which Redis removes the key, in ms. Default no limit
   * @throws TypeError that names the key, with code `PAYLOAD_NOT_JSON`, if JSON cannot hold the value (a BigInt, a cycle) or
   * if it is a Promise; a RangeError with this code if it is nested too deep
   * @throws RangeError that names the key, if the timeout is not a whole number from 1 on
   * @throws an {@link ICodecError} if a codec fails
   */
  set(key: string, value: any, timeout?: number): Job;
  /**
   * Adds a read to the next `pull()` (GET). The read needs no round trip in these cases:
   *
   * - in a processor, the first `pull()` of a key that the entry carries or `prefetch` names. A carried value is the value at
   *   the time of the send. With `payload: 'entry'` every `pull()` of such a key needs none
   * - after `finished()`, the first `pull()` of a key that a completion has returned, see {@link ISendOptions.returns}
   *
   * A later `pull()`, and one after a `push()` of the key, asks Redis.
   *
   * @param asBuffer - true for the bytes, false for the parsed JSON
   * @defaultValue true
   */
  get(key: string, asBuffer?: boolean): Job;
  /**
   * Adds a removal to the next `pull()` (DEL), which executes it after its reads.
   *
   * In a processor the removal of a key that the entry carries waits for the settlement of a success, so `pull()` sends nothing
   * for it. The run reads `null` from then on. A failed job keeps the key. Other groups and later deliveries read the carried
   * value from the entry. The consumer's option `delOnSettle` lets the removal of every key wait.
   *
   * `pull()` removes other keys at once, also a carried key that the processor has pushed. All groups and all deliveries of a
   * job share a key. So a second delivery, after a failure or the end of its consumer, reads `null`, and so does every other
   * group. Remove such keys after `finished()`, or give them a timeout in `set()`.
   */
  del(key: string): Job;
  /**
   * Executes the collected writes at once. It is needed for values that others read before the job is sent or settled, and for
   * values that are set after that.
   *
   * @returns rejects with the first {@link IRedisError}, if there is one
   */
  push(): Promise<void>;
  /**
   * Executes the collected reads, then the collected removals.
   *
   * A missing key is `null`. Invalid JSON is the SyntaxError. A key of another Redis type is left out.
   *
   * @typeParam T - keys and their values
   * @param options.signal - its abort rejects with its reason, but does not undo sent commands, including removals
   * @returns rejects with an {@link IRedisError} if the connection failed. Rejects with an Error with code `ANSWER_MISSED` for a
   * key of `returns` of a job with `payload: 'entry'`, if the completion was missed and Redis has no outcome record: the answer
   * is unknown, and not `null`. `durable` prevents that. Rejects with an {@link ICodecError} for a value that cannot be decoded.
   * With a codec the removals were not executed then, and without one they were
   */
  pull<T = { [key: string]: any }>(options?: { signal?: IAbortSignal | undefined }): Promise<T>;
}

/**
 * Completions of a job by group: a Date if the group has finished it, the error as data if it failed, and null before its
 * completion.
 *
 * An error as data has the enumerable properties of the thrown value, and `name`, `message`, `stack` and `code`. Bytes are
 * described, as `'[Buffer: 3 bytes]'`. Its JSON takes at most 16 KiB: a larger error keeps its name, its code and up to 8 KiB of
 * its message, and has `truncated: true`.
 */
export interface IJobCompletion {
  [group: string]: null | Date | any;
}

/** Options of `job.results()`. */
export interface IResultOptions {
  /**
   * Group whose processor emits the chunks.
   * @default the group of `waitFor`, if it has one
   */
  group?: string | undefined;
  /**
   * Id of the chunk after which to read, such as the last one that was read before. An empty text is the beginning, so the value of
   * a missing header needs no check. Behind the last chunk of a success the iteration ends at once. Behind the error of a run
   * ({@link IResultFailedError.id}) it waits for the next run.
   * @default the beginning
   */
  from?: string | null | undefined;
  /**
   * Maximum time without a chunk, in ms, after which the iteration rejects with `RESULT_TIMEOUT`; 0 for no limit. The time in which
   * the program works on a chunk does not count.
   * @default 600000
   */
  timeout?: number | null | undefined;
  /** Its abort rejects with its reason. */
  signal?: IAbortSignal | undefined;
  /**
   * Called with chunks that were removed before they were read. The iteration goes on behind them. Without it the iteration
   * rejects with an {@link IResultTrimmedError}.
   * @default none
   */
  onTrimmed?: ((gap: IResultGap) => void) | undefined;
}

/** Options of `producer.results()`. */
export interface IProducerResultOptions extends IResultOptions {
  /** The stream of the job. Of a partitioned stream its name without a partition. */
  stream: string;
  /** Id of the job. */
  id: string;
  /** Group whose processor emits the chunks. */
  group: string;
}

/**
 * Chunk of a result.
 *
 * @typeParam T - type of the value
 */
export interface IResultChunk<T = any> {
  /** Id of the chunk, for `from`. Ids rise within a result. */
  readonly id: string;
  /** Value that the processor has emitted: a Buffer for bytes, and otherwise the value of the JSON. */
  readonly value: T;
  /** Number of the delivery whose run has emitted the chunk, from 1 on. */
  readonly delivery: number;
  /**
   * True for the first chunk of a run after chunks of an earlier one: the result begins anew, so the earlier chunks do not count.
   * That is after a failure, and after the death of a consumer.
   */
  readonly restarted: boolean;
}

/**
 * Chunks of a result. The iteration ends with the settlement of the job, by `break`, and by `return()` also during a call of
 * `next()`.
 *
 * @typeParam T - type of the values
 */
export interface IResults<T = any> extends AsyncIterableIterator<IResultChunk<T>> {
  /** Ends the iteration and its subscription. */
  return(): Promise<IteratorResult<IResultChunk<T>, any>>;
}

/** Chunks of a result that were removed before a reader has read them. */
export interface IResultGap {
  /** Name of the stream. */
  stream: string;
  /** Name of the group. */
  group: string;
  /** Id of the job. */
  job: string;
  /** Id after which they were. */
  after: string;
  /** Id of the oldest chunk that is left; null without one. */
  oldest: string | null;
}

/** Error of a result whose chunks were removed before they were read. */
export interface IResultTrimmedError extends Error, IResultGap {
  code: 'RESULT_TRIMMED';
  /** Same as `code`. */
  errno: string;
}

/** Error of a result whose run the group has rejected. */
export interface IResultFailedError extends Error {
  code: 'RESULT_FAILED';
  /** Same as `code`. */
  errno: string;
  /** Name of the stream. */
  stream: string;
  /** Name of the group. */
  group: string;
  /** Id of the job. */
  job: string;
  /** Error of the job as data, see {@link IJobCompletion}. */
  reason: any;
  /** Id of the end of the run, with which `from` waits for the next run. Not defined if the run has emitted nothing. */
  id?: string | undefined;
}

/** Sent job. */
export interface ISentJob extends Job {
  /** True if the job was sent with an {@link ISendOptions.id} that an earlier send had. Not defined without an id. */
  readonly duplicate?: boolean | undefined;
  /** Id of the entry, or of the entry of the first send. Not defined without an {@link ISendOptions.id}. */
  readonly entryId?: string | undefined;
  /**
   * Waits until every group of `waitFor` has finished the job. It can be called any number of times, and earlier completions
   * count. After a reconnection of the subscriber, an outcome query finds missed completions: every success, every error of a
   * job with `durable`, and for a minute an error that no connection received. Another query comes one to two minutes after
   * the send, and then at growing intervals. A job whose entry is gone without an outcome has an error with code
   * `OUTCOME_UNKNOWN`. So has a job whose group was created after the send, behind its entry.
   *
   * The values that the completions return (see {@link ISendOptions.returns}) are in this job object then. If several groups
   * return a key, the completion that arrived last counts. The first `pull()` of such a key needs no round trip:
   *
   * ```ts
   * const { worldConcat } = await job.finished();
   * const { outbound } = await job.get('outbound', false).pull();
   * ```
   *
   * @typeParam T - completions, an {@link IJobCompletion}
   * @param options - timeout in ms, or an object with it. Default, and for 0, no limit. An abort of `signal` rejects with its
   * reason, and has no other effect
   * @returns with `rejectOnError` rejects with the completions (not an Error) as soon as one of them is an error; rejects
   * with `FINISH_TIMEOUT` (an {@link ITimeoutError} with a diagnosis, for which Redis is queried for up to 250 ms), and can be
   * called again then; rejects with `CONNECTION_CLOSED` after a stop of the bus
   */
  finished<T = any>(options?: number | { timeout?: number | undefined; signal?: IAbortSignal | undefined }): Promise<T>;
  /**
   * Returns the chunks that a group emits for the job, in their order, up to its settlement. It needs `waitFor`;
   * {@link Producer.results} does not.
   *
   * The first call of `next()` subscribes (SUBSCRIBE) and reads what Redis has (XRANGE). After that each chunk arrives by the
   * subscription, on the connection that completions have. A slow reader holds about 1 MiB of chunks, and reads others from Redis.
   * Any number of readers can read a result, each from the beginning.
   *
   * A job that fails rejects the iteration, as the settlement of a first failure ends `finished()`, unless its next run has emitted
   * already. That run continues the result behind {@link IResultFailedError.id}.
   *
   * @typeParam T - type of the values
   * @returns iteration that rejects with an {@link IResultFailedError}, with an {@link IResultTrimmedError} without `onTrimmed`, with
   * `RESULT_TIMEOUT`, with `RESULT_INCOMPLETE` if the job has ended and the end of the result is missing, with `CONNECTION_CLOSED`
   * after a stop of the bus, and with another {@link IRedisError}, after which `from` goes on
   * @throws TypeError or RangeError that names the option
   */
  results<T = any>(options?: IResultOptions): IResults<T>;
}

/** Received job. Its three methods exist until the job is settled. */
export interface IReceivedJob extends Job {
  /** Key of the job, from `send({ key })`; undefined without one. */
  readonly key?: string | undefined;
  /**
   * Fencing number of the consumer's ownership, for a job of an ordered partition; undefined for others. A safe integer that
   * grows with each owner of the partition in the group; the first one is the time of Redis in ms. A store that refuses smaller numbers is safe from an owner that was frozen.
   */
  readonly fence?: number | undefined;
  /**
   * Signal that aborts when the outcome has no effect any more: when the job's `deadline` has passed (the reason has code
   * `DEADLINE_TIMEOUT`), or when `stop()` does not wait any longer (`CONNECTION_CLOSED`). It does not abort after the end of
   * the job.
   */
  readonly signal: AbortSignalOfHost;
  /**
   * Adds a chunk to the result of the job, which readers get at once, see {@link ISentJob.results}. Values are stored as those of
   * `set()`.
   *
   * Chunks of one tick leave in one transaction (MULTI, XADD for each, PEXPIRE, PUBLISH and EXEC), and those that are emitted until its
   * reply in the next. The settlement follows the last chunk. A job whose chunk Redis has refused fails, unless its processor has
   * rejected it anyway. Await the promise, or at most 1000 chunks or 16 MiB wait.
   *
   * @returns resolves when Redis has the chunk. Rejects with `PAYLOAD_NOT_JSON`; with `QUEUE_FULL` if too many chunks wait; with
   * `RESULT_CLOSED` after the end of the run, or after a later run of the job has emitted; and with an {@link IRedisError}
   */
  emit(chunk: any): Promise<void>;
  /**
   * Frees the job's slot while the job continues. It does not settle the job.
   *
   * @returns the same job
   */
  release(): IReceivedJob;
  /**
   * Settles the job as finished (XACK, then PUBLISH). A return of the processor has the same effect.
   *
   * If the run has payload changes, these leave with it in one transaction: MULTI, DEL of removals that have waited, SET of
   * writes that were not pushed, the outcome record, XACK, PUBLISH and EXEC. Redis carries out all of it or nothing. On a
   * Cluster and on several `nodes()` the writes come first, then the settlement, then the removals, each after the reply to the
   * one before.
   */
  resolve(): Promise<void>;
  /**
   * Settles the job as failed (PUBLISH), see {@link IJobCompletion}. Its entry stays pending. Writes that were not pushed and
   * removals that have waited are dropped. An exception of the processor has the same effect.
   */
  reject<T extends Error>(error: T): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- Producer

/** Listeners of a producer's events. */
export interface IProducerEvents {
  /** An error occurred that belongs to no call. */
  error: (error: IProducerError) => void;
}

/**
 * Listener for completions of a stream.
 *
 * @param error - error of the job as data, or null if it was finished
 * @param jobId - id of the job
 * @param group - group of the completion
 */
export type IStreamListener = (error: any, jobId: string, group: string) => void;

/** Options of `send()`. */
export interface ISendOptions {
  /** The stream. */
  stream: string;
  /**
   * Route, which decides on the node of `nodes()`.
   * @default the stream
   */
  route?: string | symbol | undefined;
  /**
   * Key of at most 512 bytes. All jobs of a key are in one partition of the stream, `ordered` runs them in their order, and
   * `fair` shares the slots of a consumer between keys. It is `job.key` in the processor. Consumers of 2.x do not see it.
   * @default none
   */
  key?: string | null | undefined;
  /**
   * Spreads the stream over this number of streams in Redis at least, from 1 to 4096. The count in force is the largest that a
   * process has declared. The first send asks Redis for it, and later ones every 2 s at most. Jobs without a key go round the
   * partitions. `route` must not be given.
   * @default none
   */
  partitions?: number | null | undefined;
  /** Job to send. Values that were set and not pushed leave with it (MULTI, SET, XADD and EXEC). */
  job: Job;
  /**
   * Idempotency id: within its time the stream gets one entry for it, over all processes and restarts. A later send with the
   * same id is a duplicate. It resolves with {@link ISentJob.duplicate}, writes nothing, and its job becomes the first one: the
   * id of the job is that of the first, so `finished()` waits for the first, and `pull()` reads its payload keys.
   *
   * The id is of the stream, on the node of its route. In a partitioned stream it is of one partition: that of the `key`, or else of
   * the id. So sends with one id must have one `key`, and the number of partitions must not grow within the time of the id. Redis keeps it in a key of about 200 bytes, which expires. A script adds
   * the entry, so the user needs the rights to EVAL, GET, HGET, DEL and PSETEX, and to SET for payload keys. It throws a TypeError for
   * anything but a string or an object, with `DISTRIBUTED_ROUTING`, and for values that become payload keys on a Cluster and on
   * several nodes. It throws a RangeError for an empty id and for more than 512 characters.
   * @default none
   */
  id?: string | IIdempotencyOptions | null | undefined;
  /**
   * Time in ms after which the stream gets the entry, from the arrival of the send in Redis. At most 365 days. Until then Redis
   * keeps the send beside the stream. Any process that watches the stream adds the entry: one that has sent with a delay, and
   * each consumer of the stream that plays. If there was none, the next one adds late entries at once. Consumers of 2.x run
   * such a job as any other, but do not watch.
   *
   * `send()` resolves once Redis has the send. {@link Producer.cancel} removes it, by `id` or else by the id of the job. A second
   * send with that id, delayed or not, is a duplicate until the entry is added, and with `id` also for its time after that. Entries
   * that Redis refuses wait, and are one `'error'` event of a producer that has a listener for it, or of a consumer. The user needs the
   * rights to EVAL, GET, DEL, PSETEX, TIME, EXISTS, ZADD, ZREM, ZRANGE, ZRANGEBYSCORE, HGET, HSET, HDEL, and to HEXISTS with
   * `waitFor`. It throws a TypeError
   * with `at`, with `DISTRIBUTED_ROUTING`, and for values that become payload keys on a Cluster and on several nodes.
   * @default 0
   */
  delay?: number | null | undefined;
  /**
   * Time at which the stream gets the entry, by the clock of Redis: a Date or a number of ms since the epoch. See `delay`. A time
   * that is over sends at once.
   * @default at once
   */
  at?: Date | number | null | undefined;
  /**
   * Approximate maximum length of the stream (MAXLEN ~); 0 for no limit. A TypeError on a bus with `retain`.
   * @default 0
   */
  capped?: number | undefined;
  /**
   * Groups whose completions `job.finished()` waits for; each counts once. Redis stores half of a surrogate pair in a name as
   * U+FFFD, so that names can become equal there. The completions have the names that are given here.
   * @default null
   */
  waitFor?: string[] | null | undefined;
  /**
   * Makes `job.finished()` reject at the first error.
   * @default false
   */
  rejectOnError?: boolean | undefined;
  /**
   * Keeps each group's outcome in Redis, in a key that expires, so that `job.finished()` finds it after a lost completion. It
   * has no effect without `waitFor`, and with consumers of 2.x.
   * @default false
   */
  durable?: boolean | IDurableOptions | null | undefined;
  /**
   * Small values that the entry carries beside their keys, so that every group and every delivery reads them without a round
   * trip. Values come from this job object: those that were set and not pushed, and those of up to 4 KiB that were pushed since
   * its last send. A value with a timeout is never carried. Sizes are of the stored bytes, which for text is its JSON. A value
   * beyond a limit is in its key only.
   *
   * - `true`: values of at most 1 KiB each and 4 KiB in all
   * - `false`: none
   * - an array: the same as `true`, for these payload keys only
   * - an object: payload keys and limits
   *
   * Carried values stay in the stream until their entry is trimmed or deleted. `false` gives the behaviour of 2.x, in which
   * processors read the value that the key has at that time. It has no effect with `payload: 'entry'`.
   * Throws a TypeError for another type, and a RangeError for a limit that is not a whole number from 0 on.
   * @default values of at most 256 bytes in all; with `capped` as `true`
   */
  carry?: boolean | readonly string[] | ICarryOptions | null | undefined;
  /**
   * Place of the values that leave with the job.
   *
   * - `'keys'`: in payload keys; the entry carries copies of small ones, see `carry`
   * - `'entry'`: in the entry only, up to 1 MiB in all. No payload key exists, so nothing must be removed later. Consumers of
   *   2.x and programs that read the key find nothing. A value of the answer that the completion carries gets no key either
   *
   * With `'entry'`, `send()` rejects with a TypeError for pushed values and for values with a timeout, and with a RangeError for
   * more than 1 MiB.
   * @default 'keys'
   */
  payload?: 'keys' | 'entry' | null | undefined;
  /**
   * Payload keys whose values the completions return, so that the first `pull()` after `finished()` needs no round trip. These
   * are values that the processor has set or pushed, of at most 1 KiB each and 4 KiB in all. `pull()` reads other values from
   * their keys: larger ones, those of consumers of 2.x, and those of a missed completion without an outcome record. With
   * `payload: 'entry'` the last case has no key, see `ANSWER_MISSED` at {@link Job.pull}.
   * Throws a TypeError without `waitFor`, and for anything but an array of strings.
   * @default none
   */
  returns?: readonly string[] | null | undefined;
}

/** Delayed send to remove. */
export interface ICancelOptions {
  /** The stream. */
  stream: string;
  /** The `id` of the send, or else the id of its job. */
  id: string;
  /**
   * Route of the send.
   * @default the stream
   */
  route?: string | symbol | undefined;
  /**
   * Least number of partitions of the stream, as for `send()`. All partitions are asked. `route` must not be given.
   * @default 0
   */
  partitions?: number | null | undefined;
}

/** Idempotency id with its time. */
export interface IIdempotencyOptions {
  /** The id, of 1 to 512 characters. */
  value: string;
  /**
   * Time for which Redis keeps the id, in ms, from the first send. At most 365 days.
   * @default an hour
   */
  ttl?: number | undefined;
}

/** Payload keys and limits of carried values. */
export interface ICarryOptions {
  /**
   * Payload keys whose values the entry carries.
   * @default all
   */
  keys?: readonly string[] | null | undefined;
  /**
   * Maximum size of one value, in bytes, from 0 on.
   * @default 1024
   */
  maxValueSize?: number | undefined;
  /**
   * Maximum size of all values, in bytes, from 0 on.
   * @default 4096
   */
  maxTotalSize?: number | undefined;
}

/** Options of `sendAll()`. */
export interface ISendAllOptions {
  /**
   * Sends all jobs with their payload keys in one transaction (MULTI, EXEC), so that Redis gets all of them or none. It needs
   * one Redis, and is a TypeError on a Cluster and on several nodes. It needs the rights to MULTI and EXEC, which the first
   * batch of a producer asks for; nothing is sent without them. Redis does not undo a transaction: if the key of a stream has
   * another type, only the jobs of that stream are refused.
   * @default false
   */
  atomic?: boolean | undefined;
}

/** Outcome of one job of `sendAll()`, as of `Promise.allSettled()`. */
export type ISendResult = { status: 'fulfilled'; value: ISentJob } | { status: 'rejected'; reason: IRedisError };

/** Error of a `sendAll()` of which at least one job was not sent. It is an AggregateError. */
export interface ISendAllError extends Error {
  /** Code, with which `cause` and `errors` have the reasons. */
  code: 'SEND_ALL_FAILED';
  /** Same as `code`. */
  errno: string;
  /** Reasons of the jobs that were not sent, in their order. */
  errors: IRedisError[];
  /** Outcome of each job, in the order of the sends. */
  results: ISendResult[];
  /** First of the reasons. */
  cause: IRedisError;
}

/** Options of outcome records. */
export interface IDurableOptions {
  /**
   * Time for which an outcome is kept, in ms, from 1 on.
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
 * Producer: sends jobs and receives their completions.
 *
 * It emits an event with the name of the stream for each completion it listens for (see {@link IStreamListener}), and
 * `'error'` (see {@link IProducerError}).
 */
export declare class Producer {
  /** Id of the producer, to which consumers address completions. */
  readonly id: string;

  /** @throws TypeError if `connection` is not a ConnectionManager */
  constructor(connection: ConnectionManager);

  /**
   * Subscribes to completions: without arguments to those of this producer's jobs, with streams to those of all jobs there.
   * `*` in a name matches any text. Resolves when Redis has confirmed the subscription (SUBSCRIBE or PSUBSCRIBE). `send()` with
   * `waitFor` needs no `listen()`.
   *
   * @param streams - names, or partitioned streams with their partitions at the time of the call
   * @returns rejects with an {@link IRedisError}
   */
  listen(...streams: (string | IPartitionedStream)[]): Promise<void>;
  /**
   * Adds middleware for sends from now on. Functions run in the order of their addition, each around those after it.
   *
   * `send()` rejects with an error of the middleware, and with code `SEND_SKIPPED` if a function ends without `next()`. It also
   * rejects if the send has failed, whatever the middleware does with that error. An error after `next()` rejects `send()`,
   * although the job was sent.
   *
   * `sendAll()` calls the functions for each job. All jobs leave together, when each has called `next()` or has ended. With
   * `atomic` no job is sent if one is refused; the others have the code `SEND_ABORTED`.
   *
   * @returns the producer
   * @throws TypeError for anything but a function
   */
  use(middleware: IProducerMiddleware): this;
  /**
   * Adds a codec for the values of its jobs, see {@link ICodec}. Values are encoded by all codecs, in the order of their
   * addition.
   *
   * @returns the producer
   * @throws TypeError that names the option
   */
  useCodec(codec: ICodec, options?: ICodecOptions): this;
  /** Creates a job, by default with a random id. */
  job(id?: string): Job;
  /**
   * Sends a job (XADD). Values that were set and not pushed leave in the same write and in one transaction (MULTI, SET, XADD and
   * EXEC): Redis carries out all of it or nothing. On a Cluster and on several `nodes()` the entry is sent after Redis has
   * confirmed the keys.
   *
   * @returns the same job, after Redis has accepted the entry; with `finished()` if `waitFor` was given. Rejects with an
   * {@link IRedisError}, or with a TypeError or RangeError that names the option; the job then has its collected writes again
   */
  send(options: ISendOptions): Promise<ISentJob>;
  /**
   * Sends several jobs (XADD) in one write to each Redis. The options of each are those of `send()`, and all are validated
   * before the first job is sent. Jobs that together exceed `maxQueuedCommands` or `maxQueuedBytes` leave in several parts, in
   * their order, each after the end of the one before it.
   *
   * @returns the jobs in the order of the sends, after Redis has accepted all entries. Rejects with an {@link ISendAllError} if
   * a job was not sent, also if others were. Rejects with a TypeError or RangeError that names the index and the option; nothing
   * was sent then
   */
  sendAll(sends: readonly ISendOptions[], options?: ISendAllOptions): Promise<ISentJob[]>;
  /**
   * Removes a delayed send, with its payload keys, unless its entry is in the stream already. Any producer of the bus can do that.
   *
   * @returns true if the send was removed. Rejects with an {@link IRedisError}, or with a TypeError that names the option
   */
  cancel(options: ICancelOptions): Promise<boolean>;
  /**
   * Returns the chunks that a group emits for any job, as {@link ISentJob.results} does for a job of this producer that is awaited.
   * It needs only the id of the job, so it works in any process, before and after the job runs. Without a wait it ends by the
   * end of the result, by an entry that is not pending any more, or by its `timeout`: a job that emits nothing has no end.
   *
   * @typeParam T - type of the values
   * @throws TypeError or RangeError that names the option
   */
  results<T = any>(options: IProducerResultOptions): IResults<T>;
  /** Resolves with statistics. Sends no command and opens no connection. */
  stats(): Promise<IProducerStats>;
  /**
   * Unsubscribes and ends all waits and readers of results: they reject with `CONNECTION_CLOSED`. The bus continues, and the producer can be
   * used again.
   */
  close(): Promise<void>;
  /** Equals `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- Consumer

/** Processor of jobs. Its result is ignored; its exception is the job's error. */
export type IStreamProcessor = (job: IReceivedJob) => Promise<any>;

/** Entry that was claimed, or that is not delivered again. */
export interface IClaimedEntry {
  /** Id of the entry. */
  id: string;
  /** Consumer that had the entry. */
  consumerId: string;
  /** Idle time of the entry, in ms. */
  idleTime: number;
  /** Number of deliveries, including the current one for `claimed`. */
  deliveryCount: number;
  /** Redis key of the stream. */
  stream: string;
  /** Ids of the producer and the job. */
  data: { prd: string; job: string };
}

/** Entry that is not delivered again. */
export interface IExhaustedEntry extends IClaimedEntry {
  /** True if the entry was moved to the stream of `deadLetter`; otherwise it stays pending. */
  moved: boolean;
}

/** Entries that were removed from their stream before their jobs ended. */
export interface ITrimmedEntries {
  /** Name of the stream, as passed to `process()`. */
  stream: string;
  /** Number of entries; a minimum if `pending` is false and the group has several consumers. */
  count: number;
  /**
   * True for entries that were pending, and have been acknowledged. False for entries that were never delivered to the group,
   * which each consumer with `claimInterval` reports for itself.
   */
  pending: boolean;
}

/** Partitioned stream, of which a producer listens to all completions. */
export interface IPartitionedStream {
  /** The stream. */
  stream: string;
  /** Least number of its partitions, as for `send()`. */
  partitions?: number | null | undefined;
}

/** Ordered partition that a consumer owns, or owned. */
export interface IOwnedPartition {
  /** Name of the stream, as passed to `process()`. */
  stream: string;
  /** Number of the partition, from 0 on. */
  partition: number;
  /** Fencing number of the ownership, as `fence` of {@link IReceivedJob}. */
  fence: number;
}

/** Listeners of a consumer's events. */
export interface IConsumerEvents {
  /** An error occurred that belongs to no call. */
  error: (error: IConsumerError) => void;
  /** The last job in flight has ended. */
  drained: () => void;
  /** An idle entry was claimed from another consumer, and its job runs. */
  claimed: (entry: IClaimedEntry) => void;
  /**
   * An entry is not delivered again: it was delivered `retryLimit` times, or its error was unrecoverable. Emitted once per
   * entry, by the consumer that finds it; if entries stay pending, by each consumer with `claimInterval`.
   */
  exhausted: (entry: IExhaustedEntry) => void;
  /**
   * Entries were deleted or trimmed (XDEL, XTRIM, `capped`) before their jobs ended: pending entries, which are acknowledged, or
   * entries that were never delivered to the group. Needs `claimInterval`; undelivered entries need Redis 7 or later.
   */
  trimmed: (entries: ITrimmedEntries) => void;
  /** The consumer owns an ordered partition, and will run its jobs. */
  assigned: (partition: IOwnedPartition) => void;
  /** The consumer does not own an ordered partition any more. It has run all jobs that it began there, or has lost its lease. */
  revoked: (partition: IOwnedPartition) => void;
}

/** Options of the order by key. */
export interface IOrderOptions {
  /**
   * Time of a lease without renewal, in ms, from 100 to 3600000. After the death of an owner its partitions move within 1.5
   * leases. Redis gets about four renewals within that time, for each partition.
   * @default 5000
   */
  lease?: number | null | undefined;
}

/** Options of fair dispatch. */
export interface IFairOptions {
  /**
   * Maximum number of jobs of one key that run at once in this consumer, from 1 on, also if slots are free. It is the same for
   * all partitions of the stream. Throws a RangeError below 1.
   * @default Infinity, for `concurrency`
   */
  cap?: number | null | undefined;
  /**
   * Maximum number of entries of the stream, or of each of its partitions, that wait in this consumer for a slot, from 1 to
   * 100000. A stream with that many is not read further until half of them have started; other streams and partitions go on. So
   * a key is seen at once unless more entries than that are before it in its partition. They also take 16 MiB at most, and those
   * of one more read or claim. Throws a RangeError for another number.
   * @default four times `concurrency`, from 16 to 1024
   */
  waiting?: number | null | undefined;
}

/**
 * Rate limit of a group on a stream. All consumers of the group share it, and must declare the same: a window has the `interval` of
 * the consumer that began it, and each consumer compares with its own `max`. Consumers of the group without the option, and those
 * of 2.x, start jobs beside it.
 *
 * A window begins with the first start after the window before it, and has at most `max` starts. Every delivery is a start, also a
 * retry. So a time of `interval` that spans two windows can have up to twice `max`.
 */
export interface IRateLimitOptions {
  /** Maximum number of starts in a window, a whole number from 1 to 1000000000. */
  max: number;
  /** Time of a window, in ms, from 10 to 31536000000. */
  interval: number;
  /**
   * Gives each key of the jobs, see `send({ key })`, a budget of its own. Jobs without a key share one.
   * @default false
   */
  key?: boolean | null | undefined;
}

/** Delay before a failed job is delivered again. Times are in ms. */
export interface IBackoffOptions {
  /** Growth of the delay: constant, or doubled each time. */
  type: 'fixed' | 'exponential';
  /** Delay after the first delivery. */
  delay: number;
  /**
   * Maximum delay.
   * @default Infinity
   */
  max?: number | undefined;
  /**
   * Part of each delay that is random, from 0 to 1. It shortens the delay.
   * @default 0
   */
  jitter?: number | undefined;
}

/**
 * Options of a consumer. Times are in ms. `undefined`, `null` and `NaN` mean the default. An invalid value is a RangeError that
 * names the option.
 */
export interface IConsumerOptions {
  /** Name of the group. Every group gets every job; each job goes to one consumer of a group. */
  group: string;
  /**
   * Name of the consumer in the group. Two consumers of a group must not have the same name at the same time.
   * @default a random one
   */
  id?: string | undefined;
  /**
   * Maximum number of jobs that run at once, over all streams: 1 or more, Infinity for no limit.
   * @default 1
   */
  concurrency?: number | undefined;
  /**
   * Maximum number of entries that wait in the consumer for a slot of `concurrency`: a whole number from 0 on. A job that ends
   * starts the next one from there, without a round trip, and one read brings several entries. The consumer renews the leases
   * of waiting entries, and a `deadline` begins when the job starts.
   *
   * Other consumers do not get the waiting entries. With `claimInterval`, `pause()` and `stop()` hand them back: a consumer of
   * the group that claims takes them at once, and the next `play()` takes the others. Their first delivery then does not count
   * towards `retryLimit`. Without `claimInterval`, `pause()` and `stop()` resolve after these jobs.
   *
   * The nodes of `nodes()`, and the slots of a Cluster, have equal parts of the number. A part below the number of streams has
   * no effect, since a read asks each stream for one entry.
   * @default 0, for reads into free slots only
   */
  readAhead?: number | undefined;
  /**
   * Maximum time of one blocking read (XREADGROUP BLOCK); 0 for no limit. `pause()` and `stop()` do not wait for it.
   * @default 5000
   */
  blockTimeout?: number | undefined;
  /**
   * Interval of claim cycles, in ms. A cycle claims entries of consumers that are gone, and of jobs that failed or reached their
   * deadline. Needs XPENDING and XCLAIM. TIME detects a clock that is set forward, and XINFO undelivered entries that were
   * trimmed. Lease renewal keeps the entry of a running job from being claimed after `claimDeadline`, by another thread while
   * JavaScript is busy. A consumer that is alone in its group, with nothing pending, searches once in five intervals, unless
   * they are longer than `claimDeadline`. While more entries are due than jobs can run, a free slot of `concurrency` starts the
   * next cycle, and new entries get half of the slots.
   * @default 0, for never
   */
  claimInterval?: number | undefined;
  /**
   * Minimum idle time of an entry before it is claimed, in ms. It must be the same for all consumers of a group, since each
   * renews the leases of its own entries within this time.
   * @default 30000
   */
  claimDeadline?: number | undefined;
  /**
   * Number of entries in one page of a claim cycle, 1 or more. No more entries are claimed than jobs can run.
   * @default 100
   */
  claimPageSize?: number | undefined;
  /**
   * Maximum number of deliveries of an entry, including the first: 1 or more, Infinity for no limit. It needs `claimInterval` or
   * `deadLetter`. After it the entry is `'exhausted'`.
   * @default 3
   */
  retryLimit?: number | undefined;
  /**
   * Delay before a failed job is claimed. Consumers with `claimInterval` claim it up to one interval later.
   * @default when it was idle for `claimDeadline`
   */
  backoff?: IBackoffOptions | null | undefined;
  /**
   * Stream to which entries are moved that are not delivered again, see {@link DeadLetters}. Their payload stays.
   * @default none: they stay pending in the group
   */
  deadLetter?: string | null | undefined;
  /**
   * Idle time after which a consumer without pending entries is removed from the group (XGROUP DELCONSUMER), in ms; 0 or
   * Infinity for never. A killed consumer leaves its name behind, and a consumer with `claimInterval` removes it, with a check
   * at most once an hour. The name of a live consumer comes back with its next entry, and no entry is lost. Needs XINFO
   * CONSUMERS, MULTI, EXEC and XGROUP DELCONSUMER; without these permissions the names stay, and no error is emitted. A live
   * consumer reads at least three times within this time, and at least once an hour. So the time must be more than three times
   * `blockTimeout`, and the same for all consumers of a group.
   * Throws a TypeError for anything but a number, and a RangeError below 0.
   * @default 604800000, a week
   */
  removeIdleConsumers?: number | undefined;
  /**
   * Lets every `del()` of a processor wait for the settlement of a success, so that a failed job keeps its keys. Without it that
   * holds for keys that the entry carries, see {@link Job.del}. Other groups lose keys that are not carried, as before. Needs
   * MULTI and EXEC, except on a Cluster and on several `nodes()`.
   * @default false
   */
  delOnSettle?: boolean | undefined;
  /**
   * Route to the node of `nodes()` to read from, or DISTRIBUTED_ROUTING for all.
   * @default the group
   */
  route?: string | symbol | undefined;
}

/** Options of `process()`. */
export interface IProcessOptions {
  /** The stream. */
  stream: string;
  /**
   * Reads this number of partitions of the stream at least, from 1 to 4096, as `send({ partitions })` spreads it. Further ones
   * are found within 2 s. On `nodes()` the name of each partition decides on its node, whatever the `route` of the consumer.
   * @default none
   */
  partitions?: number | null | undefined;
  /**
   * Runs the jobs of one key one after the other, in the order of their sends, across all consumers of the group. Each partition
   * has one owner at a time. A job that failed blocks its key, and only that, until it has run again or is `'exhausted'`. Needs
   * `partitions` and `claimInterval`. All consumers of the group must have it.
   * @default false
   */
  ordered?: boolean | IOrderOptions | null | undefined;
  /**
   * Shares the slots of `concurrency` between the keys of `send({ key })`: a free slot goes to the key that holds the fewest, and
   * keys with equally many take turns. Jobs of one key start in the order of their arrival. All jobs without a key have one key
   * together. It holds within this consumer, and among the jobs that it has read: up to `waiting` of each partition wait here, so
   * other consumers do not get them. `waiting` replaces `readAhead`: leases are renewed, and `pause()` and `stop()` act, as there.
   * Throws a TypeError for anything but a boolean or an object, or in a consumer with `limit`.
   * @default false
   */
  fair?: boolean | IFairOptions | null | undefined;
  /**
   * Rate limit of the group on this stream, with all of its partitions, across all processes. Jobs without a permit wait in the
   * stream; with `limit.key`, up to about 1,024 entries wait in each consumer. Needs `claimInterval`. In Redis it needs SET, INCRBY
   * and PTTL. Without an answer of Redis no job starts, and the first failure is an `'error'` event with `CONSUME_ERROR`.
   *
   * Throws a TypeError for anything but such an object, or in a consumer with `fair`, and a RangeError for a number outside its range.
   * @default none
   */
  limit?: IRateLimitOptions | null | undefined;
  /** Processor, called with one job, up to `concurrency` times at once. */
  processor: (job: IReceivedJob) => any;
  /**
   * `'>'` for undelivered jobs. An id, such as `'0'`, for entries after it that are pending for this consumer, and then for
   * undelivered jobs.
   * @default '>'
   */
  readFrom?: string | undefined;
  /**
   * Start position of a new group: `'$'` for jobs sent from now on, `'0'` for all jobs, or an entry's id.
   * @default '$'
   */
  fromId?: string | undefined;
  /**
   * Maximum time of a run before it is rejected with `DEADLINE_TIMEOUT`, in ms; 0 for no limit. The processor continues, but its
   * outcome has no effect.
   * @default 30000
   */
  deadline?: number | undefined;
  /**
   * Sets an existing group to `fromId` (XGROUP SETID).
   * @default false
   */
  setId?: boolean | undefined;
  /**
   * Payload keys that are fetched before the processor is called (MGET, one for all jobs that arrive together). The first
   * `pull()` of such a key needs no round trip. It asks Redis for a key that did not exist, or that the processor has pulled,
   * pushed or removed since. A job waits for its payload for at most a second, or half its `deadline`, and starts without it
   * then. A key that the entry carries is not fetched.
   * @default none
   */
  prefetch?: readonly string[] | null | undefined;
  /**
   * Limits of the results that Redis keeps for jobs that emit, see {@link IReceivedJob.emit}.
   * @default { capped: 10000, ttl: 3600000 }
   */
  results?: IResultLimits | null | undefined;
  /**
   * Size and wait of batches, see {@link IBatchProcessOptions}.
   * @default none
   */
  batch?: null | undefined;
}

/** Limits of results. */
export interface IResultLimits {
  /**
   * Approximate maximum number of chunks of a result (MAXLEN ~).
   * @default 10000
   */
  capped?: number | null | undefined;
  /**
   * Time after the last chunk for which Redis keeps a result, in ms (PEXPIRE).
   * @default 3600000
   */
  ttl?: number | null | undefined;
}

/** Size and wait of a batch of jobs. */
export interface IBatchOptions {
  /** Maximum number of jobs, from 1 to `concurrency`. A batch with this number starts at once. */
  size: number;
  /**
   * Maximum time from the arrival of the first job until the start of a batch that is not full, in ms. It counts towards
   * `deadline`, and must be less. Without it a batch has the jobs that arrive together.
   * @default 0
   */
  wait?: number | undefined;
}

/** Options of `process()` for a processor of batches. */
export interface IBatchProcessOptions extends Omit<IProcessOptions, 'processor' | 'batch'> {
  /**
   * Processor, called with the jobs of a batch in the order of their arrival. `concurrency` limits the number of jobs, so
   * several batches run at once if it is a multiple of `size`. Each job is settled by itself: its return resolves, and its
   * exception rejects, the jobs that the processor has not settled with their own `resolve()` and `reject()`. An exception
   * after all jobs were settled is one `UNHANDLED_JOB_ERROR`.
   */
  processor: (jobs: IReceivedJob[]) => any;
  /**
   * Size and wait of a batch. A job that waits in a batch is in flight. `pause()` and `stop()` start a batch that waits, and a
   * forced stop leaves its entries pending.
   */
  batch: IBatchOptions;
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
  /** Number of delayed sends whose entries are not in the stream yet. `null` while Redis does not answer. */
  delayed: number | null;
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
  /** Entries that were read and wait for a slot now, see `readAhead` and `fair`. */
  waiting: number;
  /** Slots for further jobs now. Infinity without a limit. */
  availableSlots: number;
  /** Time until a rate limit without permits has some again, in ms; 0 if none is without. See `process({ limit })`. */
  limitedFor: number;
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

/** Connections of a consumer in 2.x. Declared for programs that name the type. */
export interface IRedisClientPair {
  /** Connection for blocking reads. */
  blocking: RedisClient & { xretry: any };
  /** Connection for acknowledgements. */
  aux: RedisClient;
}

/** @see IEmitter */
export interface Consumer extends IEmitter<IConsumerEvents> {}

/**
 * Consumer: runs the jobs of a group.
 *
 * It emits `'error'` (see {@link IConsumerError}), `'drained'`, `'claimed'`, `'exhausted'` and `'trimmed'` (see
 * {@link IConsumerEvents}).
 */
export declare class Consumer {
  /** Name of the consumer in the group. */
  readonly id: string;

  /**
   * @throws TypeError or RangeError that names the option
   * @throws Error `Invalid route: …` for a route that is neither a string nor DISTRIBUTED_ROUTING
   */
  constructor(connection: ConnectionManager, options: IConsumerOptions);

  /**
   * Adds a stream, which is read from the next `play()` on. A known stream gets the new processor at once.
   *
   * @returns the consumer
   * @throws TypeError or RangeError that names the option
   */
  process(options: IProcessOptions): Consumer;
  /** Adds a stream with a processor of batches. */
  process(options: IBatchProcessOptions): Consumer;
  /**
   * Adds middleware for the jobs of all streams that start from now on. Functions run in the order of their addition, each
   * around those after it. The outcome of the first one is that of the job: its return resolves the job, also without a call of
   * `next()`, and its exception rejects it. The `deadline` covers the middleware.
   *
   * In a batch each job has middleware of its own, and joins the batch with the last `next()`.
   *
   * @returns the consumer
   * @throws TypeError for anything but a function
   */
  use(middleware: IConsumerMiddleware): this;
  /**
   * Adds a codec for the values of the jobs that start from now on, see {@link ICodec}. Values that a processor sets are encoded
   * by all codecs, in the order of their addition.
   *
   * @returns the consumer
   * @throws TypeError that names the option
   */
  useCodec(codec: ICodec, options?: ICodecOptions): this;
  /**
   * Creates missing groups (XGROUP CREATE … MKSTREAM) and starts to read (XREADGROUP). Every job that is sent after it has
   * resolved will be received.
   *
   * @param options.signal - its abort pauses the consumer, until `pause()` or the next `play()`. An abort before `play()` has
   * resolved rejects with its reason
   * @returns rejects with an {@link IRedisError}, or with an Error if `process()` was never called
   */
  play(options?: { signal?: IAbortSignal | undefined }): Promise<void>;
  /**
   * Stops to read jobs and waits for those in flight. `play()` continues.
   *
   * @param timeout - maximum time to wait, in ms. Default, and for 0, no limit
   * @returns rejects with `PAUSE_TIMEOUT`; the consumer stays paused then
   */
  pause(timeout?: number): Promise<void>;
  /**
   * Resolves with statistics, and with the position of the group, from one XINFO GROUPS per stream. Opens no connection, and
   * rejects only for invalid options.
   *
   * @param options.timeout - maximum time to wait for Redis, in ms, after which `lag` and `pending` are null; 0 sends no command.
   * Default 1000
   */
  stats(options?: { timeout?: number | undefined }): Promise<IConsumerStats>;
  /** Equals `pause()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

// ----------------------------------------------------------------------------------------------------------- Contracts

/**
 * Schema of any library with the interface Standard Schema, version 1, such as zod, valibot and arktype.
 *
 * @typeParam Input - type of a value before its validation
 * @typeParam Output - type of a value after it
 */
export interface IStandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    /** Name of the library. */
    readonly vendor: string;
    /** Validates a value. */
    readonly validate: (value: unknown) => ISchemaResult<Output> | Promise<ISchemaResult<Output>>;
    /** Types of the schema, which no value has. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** Result of a validation: a value or issues. */
export type ISchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: ReadonlyArray<ISchemaIssue> };

/** Issue of a validation. */
export interface ISchemaIssue {
  /** Text of the library, which can contain the value. */
  readonly message: string;
  /** Path to the invalid part of the value. */
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** Payload key of a contract whose value is JSON. */
export interface IJsonKey<Schema extends IStandardSchema<any, any> = IStandardSchema<any, any>> {
  /** Schema of the value, as its receiver reads it from the JSON. */
  readonly schema: Schema;
  /**
   * Format of the stored value.
   * @default 'json'
   */
  readonly format?: 'json' | undefined;
  /**
   * Time after which Redis removes the key, in ms. A value with a timeout is never carried.
   * @default no limit
   */
  readonly timeout?: number | undefined;
}

/** Payload key of a contract whose value is bytes. */
export interface IBytesKey {
  readonly format: 'bytes';
  readonly schema?: undefined;
  /**
   * Allows jobs without the value.
   * @default false
   */
  readonly optional?: boolean | undefined;
  /**
   * Time after which Redis removes the key, in ms. A value with a timeout is never carried.
   * @default no limit
   */
  readonly timeout?: number | undefined;
}

/** Payload keys of a contract: a schema for JSON, or an object. */
export interface IContractKeys {
  readonly [key: string]: IStandardSchema<any, any> | IJsonKey | IBytesKey;
}

/** Results of a contract by group. */
export interface IContractResults {
  readonly [group: string]: IContractKeys;
}

/** @internal */
type SchemaOf<Key> =
  Key extends IStandardSchema<any, any>
    ? Key
    : Key extends { readonly schema: infer Schema extends IStandardSchema<any, any> }
      ? Schema
      : never;

/** @internal */
type BytesOf<Key> = Key extends { readonly optional: true } ? Uint8Array | undefined : Uint8Array;

/** @internal */
type InputOf<Key> = Key extends IBytesKey ? BytesOf<Key> : NonNullable<SchemaOf<Key>['~standard']['types']>['input'];

/** @internal */
type OutputOf<Key> = Key extends IBytesKey ? BytesOf<Key> : NonNullable<SchemaOf<Key>['~standard']['types']>['output'];

/** @internal */
type Flat<T> = { [Key in keyof T]: T[Key] } & {};

/** @internal */
type WithOptional<T> = { [Key in keyof T as undefined extends T[Key] ? Key : never]?: T[Key] | undefined } & {
  [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key];
};

/** Values of payload keys as they are given to `send()` and `answer()`. */
export type ContractInput<Keys> = Flat<WithOptional<{ -readonly [Key in keyof Keys]: InputOf<Keys[Key]> }>>;

/** Values of payload keys as `pull()` and `finished()` return them. */
export type ContractOutput<Keys> = Flat<{ -readonly [Key in keyof Keys]: OutputOf<Keys[Key]> }>;

/**
 * Check of values by schemas.
 *
 * - `'on'`: values are checked
 * - `'off'`: values pass as they are, so defaults and transformations of schemas have no effect
 * - `'tests'`: on if the contract is defined in a process of `node --test`, jest or vitest, or with NODE_ENV=test; otherwise off
 */
export type ContractCheck = 'on' | 'off' | 'tests';

/** Definition of a contract. */
export interface IContractDefinition<Payload extends IContractKeys, Results extends IContractResults> {
  /** The stream. */
  name: string;
  /** Payload keys that a producer sets. */
  payload: Payload;
  /**
   * Payload keys that each group sets. Groups share the keys of a job, so a key belongs to one group. A contract with it knows
   * its groups, and refuses others.
   * @default none: any group, without results
   */
  results?: Results | undefined;
  /**
   * Check of values where they are sent (also results by a processor) and where they are received.
   * @default 'on'
   */
  check?: ContractCheck | { send?: ContractCheck | undefined; receive?: ContractCheck | undefined } | null | undefined;
}

/** Options of a send with a contract: those of `send()`, without the stream, the job and the keys to return. */
export interface IContractSendOptions<Group extends string = string>
  extends Omit<ISendOptions, 'stream' | 'job' | 'returns' | 'waitFor'> {
  /**
   * Id of the job.
   * @default a random one
   */
  jobId?: string | undefined;
  /**
   * Groups that `finished()` waits for. Their results come with the completions if they are small, see `returns` of `send()`.
   * @default none
   */
  waitFor?: readonly Group[] | null | undefined;
}

/** Job of `sendAll()` with a contract. */
export interface IContractSend<Payload, Group extends string = string> extends IContractSendOptions<Group> {
  /** Values of the payload keys. */
  values: ContractInput<Payload>;
}

/** Options of `process()` with a contract: those of a consumer's `process()`, without the stream. */
export interface IContractProcessOptions<Payload, Result, Group extends string>
  extends Omit<IProcessOptions, 'stream' | 'processor'> {
  /** Group of the consumer. */
  group: Group;
  /** Processor. It returns the result of the group, which leaves with the settlement. */
  processor: (
    job: IContractJob<Payload, Result>,
  ) => Record<never, never> extends ContractInput<Result>
    ? any
    : ContractInput<Result> | Promise<ContractInput<Result> | void>;
}

/** Options of `process()` with a contract for a processor of batches. */
export interface IContractBatchOptions<Payload, Result, Group extends string>
  extends Omit<IBatchProcessOptions, 'stream' | 'processor'> {
  /** Group of the consumer. */
  group: Group;
  /** Processor of a batch. Results are set by `answer()` of each job. */
  processor: (jobs: Array<IContractJob<Payload, Result>>) => any;
}

/** Received job of a stream with a contract. */
export interface IContractJob<Payload, Result> {
  /** Id of the job. */
  readonly id: string;
  /** The job itself, with `resolve()`, `reject()`, `release()` and payload keys beside the contract. */
  readonly job: IReceivedJob;
  /** Signal of the job. */
  readonly signal: AbortSignalOfHost;
  /**
   * Reads and checks values: those of the given payload keys, or all of the contract.
   *
   * @returns rejects with a {@link ContractError} whose `retry` is false, so that a processor that passes it on has the job
   * dead-lettered; and as `pull()` of the job
   */
  pull(): Promise<ContractOutput<Payload>>;
  pull<Key extends keyof Payload & string>(...keys: Key[]): Promise<Pick<ContractOutput<Payload>, Key>>;
  /**
   * Checks and sets the result of the group, which leaves with the settlement. A return of the processor has the same effect.
   *
   * @returns rejects with a {@link ContractError}; nothing is set then. Rejects with code `JOB_SETTLED` after the settlement
   */
  answer(result: ContractInput<Result>): Promise<void>;
}

/** Outcome of a job for a group. */
export type IGroupOutcome<Result> =
  | {
      status: 'fulfilled';
      /** Time of the completion. */
      at: Date;
      /** Result of the group. */
      value: Result;
    }
  | {
      status: 'rejected';
      /** Error of the group as data, see {@link IJobCompletion}, or a {@link ContractError} if the result is invalid. */
      reason: any;
    };

/** Sent job of a stream with a contract. */
export interface ISentContractJob<Results extends IContractResults, Group extends keyof Results> {
  /** Id of the job. */
  readonly id: string;
  /** The job itself. */
  readonly job: ISentJob;
  /**
   * Waits until every group of `waitFor` has finished the job, and reads and checks the results.
   *
   * @param options - as those of `finished()` of a sent job
   * @returns the outcome of each group. Rejects as `finished()` of a sent job, and with a TypeError without `waitFor`
   */
  finished(
    options?: number | { timeout?: number | undefined; signal?: IAbortSignal | undefined },
  ): Promise<{ [Name in Group]: IGroupOutcome<ContractOutput<Results[Name]>> }>;
}

/** Contract of a stream. */
export interface IStreamContract<Payload extends IContractKeys, Results extends IContractResults> {
  /** The stream. */
  readonly name: string;
  /**
   * Checks a payload and sends a job with it.
   *
   * @param values - values of the payload keys
   * @returns the sent job. Rejects with a {@link ContractError} if the payload is invalid, and nothing was sent then; and as
   * `send()` of the producer
   */
  send<Group extends keyof Results & string = never>(
    producer: Producer,
    values: ContractInput<Payload>,
    options?: IContractSendOptions<Group>,
  ): Promise<ISentContractJob<Results, Group>>;
  /**
   * Checks payloads and sends jobs with them in one write, as `sendAll()` of the producer.
   *
   * @returns the sent jobs. Rejects with a {@link ContractError} that has the index if a payload is invalid, and nothing was sent
   * then; and as `sendAll()` of the producer
   */
  sendAll<Group extends keyof Results & string = never>(
    producer: Producer,
    sends: ReadonlyArray<IContractSend<Payload, Group>>,
    options?: ISendAllOptions,
  ): Promise<Array<ISentContractJob<Results, Group>>>;
  /**
   * Adds the stream to a consumer, as `process()` of the consumer.
   *
   * @returns the consumer
   * @throws TypeError if the group is not that of the consumer, or not one of the contract; and as `process()`
   */
  process<Group extends keyof Results & string>(
    consumer: Consumer,
    options: IContractProcessOptions<Payload, Results[Group], Group>,
  ): Consumer;
  process<Group extends keyof Results & string>(
    consumer: Consumer,
    options: IContractBatchOptions<Payload, Results[Group], Group>,
  ): Consumer;
}

/**
 * Defines the contract of a stream: its payload keys, and the results of its groups, with schemas. Producers and consumers of 2.x
 * can be at its other end, since JSON and bytes are stored as by `set()`.
 *
 * Values are checked as their receiver reads them from the JSON. A `Date` for example is a string there. Senders send the value
 * before its validation, and receivers get the value after it, with defaults and transformations.
 *
 * @example
 * ```ts
 * const orders = defineStream({
 *   name: 'orders',
 *   payload: { order: z.object({ item: z.string(), count: z.number() }) },
 *   results: { billing: { invoice: z.object({ total: z.number() }) } },
 * });
 * ```
 *
 * @throws TypeError that names the key or the option
 */
export declare function defineStream<
  Payload extends IContractKeys,
  Results extends IContractResults = { [group: string]: Record<never, never> },
>(definition: IContractDefinition<Payload, Results>): IStreamContract<Payload, Results>;

/** Error of values that do not fit the contract of their stream. It contains no value. */
export declare class ContractError extends Error {
  private constructor();
  code: 'PAYLOAD_INVALID';
  /** The stream. */
  stream: string;
  /**
   * Place of the check.
   *
   * - `'send'`: a payload that was not sent
   * - `'receive'`: a payload that was received
   * - `'answer'`: a result that a processor has returned; nothing of it was set
   * - `'result'`: a result that was received
   */
  at: 'send' | 'receive' | 'answer' | 'result';
  /** Payload key and path of each invalid part, at most 20. */
  issues: Array<{ key: string; path: Array<string | number> }>;
  /** False for a received payload: another delivery would find the same values. */
  retry?: false;
  /** Index of the job in `sendAll()`. */
  index?: number;
  /** Returns all issues with the messages of the schemas. These can contain values, so keep them out of logs. */
  details(): Array<{ key: string; path: Array<string | number>; message: string }>;
}

// ---------------------------------------------------------------------------------------------------------- Middleware

/** Send that a middleware of a producer is called for. */
export interface ISendContext {
  /** The producer. */
  producer: Producer;
  /** Stream, as passed to `send()`. */
  stream: string;
  /** Groups of `waitFor`. */
  waitFor: string[];
  /**
   * Headers of the job, which travel in its entry and arrive at the middleware of consumers. A value that is not a string is left
   * out. Consumers of 2.x ignore headers, and a replayed dead letter has none.
   */
  headers: Record<string, string>;
}

/** Run that a middleware of a consumer is called for. */
export interface IDeliveryContext {
  /** The consumer. */
  consumer: Consumer;
  /** Stream, as passed to `process()`. */
  stream: string;
  /** The group. */
  group: string;
  /** Headers of the job; empty if none. */
  headers: Record<string, string>;
}

/**
 * Function around each send of a producer.
 *
 * @param job - job to send. Values that are set before `next()` leave with it
 * @param next - continues with the next middleware, and then sends the job. It resolves when Redis has accepted the entry. A
 * second call rejects with code `NEXT_CALLED_TWICE`, and one after the end of the middleware with `NEXT_CALLED_LATE`
 * @param context - the send
 */
export type IProducerMiddleware = (job: Job, next: () => Promise<any>, context: ISendContext) => any;

/**
 * Function around each run of a job.
 *
 * @param job - the job. Values that are set after `next()` leave with its settlement
 * @param next - continues with the next middleware, and then with the processor. It resolves with the return value of the
 * processor, and rejects with its error. In a batch it settles with the batch. A second call rejects with code
 * `NEXT_CALLED_TWICE`, and one after the end of the middleware or of the job with `NEXT_CALLED_LATE`
 * @param context - the run
 */
export type IConsumerMiddleware = (job: IReceivedJob, next: () => Promise<any>, context: IDeliveryContext) => any;

/** Function for producers and for consumers. `context` has the property `producer` or `consumer`. */
export type IMiddleware = IProducerMiddleware & IConsumerMiddleware;

// -------------------------------------------------------------------------------------------------------------- Codecs

/** Place of a value that a codec encodes or decodes, such as additional data of an encryption. */
export interface ICodecContext {
  /** Id of the job. */
  jobId: string;
  /** Payload key. */
  key: string;
}

/**
 * Codec for values of jobs, such as a compression or an encryption. `set()` encodes a value, and `pull()` decodes it.
 *
 * An encoded value begins with a mark and the name of its codec, so that each value tells how to read it. `pull()` without the
 * codec rejects with code `PAYLOAD_CODEC_MISSING`. In 2.x it gives a SyntaxError in place of JSON, and the encoded bytes.
 */
export interface ICodec {
  /** Name, in each encoded value: 1 to 32 letters, digits, dots, hyphens or underscores. */
  readonly name: string;
  /**
   * Encodes the stored form of a value: bytes, or the bytes of JSON.
   *
   * @returns the encoded bytes, or null for a value that stays as it is
   */
  encode(value: Uint8Array, context: ICodecContext): Uint8Array | null | undefined;
  /** Decodes what `encode()` has returned. It gets bytes of Redis, so it must limit the size of its result. */
  decode(value: Uint8Array, context: ICodecContext): Uint8Array;
}

/** Options of `useCodec()`. */
export interface ICodecOptions {
  /**
   * Payload keys that the codec is for.
   * @default all
   */
  keys?: readonly string[] | null | undefined;
  /**
   * Encodes values. `false` only decodes them, for the time in which other processes do not have the codec yet, and for answers
   * to producers of 2.x.
   * @default true
   */
  encode?: boolean | undefined;
  /**
   * Refuses values without the codec: `pull()` rejects with code `PAYLOAD_NOT_CODED`, which is unrecoverable. It excludes
   * producers without the codec, such as those of 2.x, and a value that somebody has replaced by a plain one.
   * @default false
   */
  required?: boolean | undefined;
}

/**
 * Error of a value that cannot be encoded or decoded.
 *
 * - `PAYLOAD_CODEC_MISSING`: the value is encoded by a codec that is not there
 * - `PAYLOAD_CODEC_FAILED`: the codec has thrown, or has not returned bytes; see `cause`
 * - `PAYLOAD_NOT_CODED`: the value is not encoded by a codec with `required`
 */
export interface ICodecError extends Error {
  code: 'PAYLOAD_CODEC_MISSING' | 'PAYLOAD_CODEC_FAILED' | 'PAYLOAD_NOT_CODED';
  /** Name of the codec. */
  codec: string;
  /** Payload key. */
  key: string;
  /** Exception of the codec. */
  cause?: unknown;
  /** False for `PAYLOAD_NOT_CODED`: another delivery would find the same value. */
  retry?: false;
}

// ------------------------------------------------------------------------------------------------------- Dead letters

/** Dead letter: an entry that is not delivered again. */
export interface IDeadLetter {
  /** Id of the letter. */
  id: string;
  /** Index of its node of `nodes()`; otherwise 0. */
  node: number;
  /** Id of the job, whose payload keys still exist. */
  jobId: string;
  /** Id of the producer. */
  producerId: string;
  /** Stream of the original entry. */
  stream: string;
  /** Id of the original entry. */
  entryId: string;
  /** Group that dead-lettered the entry. */
  group: string;
  /** Number of deliveries. */
  deliveries: number;
  /** Reason: `retryLimit` was reached, or the error was unrecoverable. */
  reason: 'exhausted' | 'unrecoverable';
  /** Last error as data, see {@link IJobCompletion}; null if the consumer that dead-lettered it did not run it. */
  error: any;
}

/**
 * Dead letters of the stream that consumers name in their option `deadLetter`. All methods reject with an {@link IRedisError},
 * or with a TypeError or RangeError that names the argument.
 */
export declare class DeadLetters {
  /**
   * @param stream - value of the option `deadLetter`
   * @throws TypeError if `connection` is not a ConnectionManager, or `stream` is not a name
   */
  constructor(connection: ConnectionManager, stream: string);
  /**
   * Lists letters, the oldest first. With `nodes()` the letters of one node follow those of another.
   *
   * @param options.count - maximum number of letters. Default 100
   * @param options.after - last letter of the previous page
   */
  list(options?: { count?: number | undefined; after?: IDeadLetter | undefined }): Promise<IDeadLetter[]>;
  /**
   * Sends the letter's job to its stream again, for every group, with the values, the key and the headers that the letter
   * carries, and deletes the letter. So a trace goes on.
   *
   * @returns id of the new entry; rejects with a RangeError if the letter does not exist any more
   */
  replay(letter: IDeadLetter): Promise<string>;
  /**
   * Deletes the letter. Its job's payload stays.
   *
   * @returns true if the letter existed
   */
  drop(letter: IDeadLetter): Promise<boolean>;
}

// -------------------------------------------------------------------------------------------------------- Diagnostics

/**
 * Messages of the channels of `node:diagnostics_channel`, by channel. A message contains neither a payload nor a password.
 * Without a subscriber no message is made.
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
  /** A job will be sent. Published in the asynchronous context of `send()`. */
  'hfxbus:send': ISendMessage;
  /** A job was sent, or `send()` has failed: the same object. */
  'hfxbus:sent': ISentMessage;
  /**
   * A processor will be called. Stores that are bound to this channel with `bindStore()`, on Node 18.19 and later, apply within
   * the processor.
   */
  'hfxbus:receive': IReceiveMessage;
  /**
   * A job has ended, and its settlement will be sent: the same object. Published for jobs that began while this channel or
   * `hfxbus:receive` had a subscriber.
   */
  'hfxbus:settle': ISettleMessage;
  /** An entry was claimed, as with `'claimed'`. */
  'hfxbus:claim': IEntryMessage<IClaimedEntry>;
  /** An entry is not delivered again, as with `'exhausted'`. */
  'hfxbus:exhaust': IEntryMessage<IExhaustedEntry>;
  /** Entries were removed before their jobs ended, as with `'trimmed'`. */
  'hfxbus:trim': ITrimMessage;
  /** Names of other consumers were removed from the group, see `removeIdleConsumers`. */
  'hfxbus:remove': IRemoveMessage;
  /** The state of a connection has changed. */
  'hfxbus:connection': IConnectionMessage;
}

/** Message of `hfxbus:send`. */
export interface ISendMessage {
  producer: Producer;
  job: Job;
  /** Stream, as passed to `send()`. */
  stream: string;
  /** Groups of `waitFor`. */
  waitFor: string[];
  /**
   * Empty object for headers, such as the context of a trace. Strings that subscribers add are sent with the job in its entry,
   * and appear at `hfxbus:receive`. Consumers of 2.x ignore them, and a replayed dead letter has none.
   */
  headers: Record<string, string>;
}

/** Message of `hfxbus:sent`. */
export interface ISentMessage extends ISendMessage {
  /** Error of `send()`, if it rejects. */
  error?: IRedisError;
}

/** Message of `hfxbus:receive`. */
export interface IReceiveMessage {
  consumer: Consumer;
  job: IReceivedJob;
  /** Stream, as passed to `process()`. */
  stream: string;
  group: string;
  /** Headers that subscribers of `hfxbus:send` have added; empty if none. */
  headers: Record<string, string>;
}

/** Message of `hfxbus:settle`. */
export interface ISettleMessage extends IReceiveMessage {
  /**
   * - `resolved`, `rejected`: by its processor, or by `resolve()` or `reject()`
   * - `timedOut`: its `deadline` has passed
   * - `abandoned`: `stop()` did not wait any longer, and has handed it back
   */
  outcome: 'resolved' | 'rejected' | 'timedOut' | 'abandoned';
  /** Error of the job, unless it was resolved. */
  error?: any;
}

/** Message about an entry. */
export interface IEntryMessage<Entry> {
  consumer: Consumer;
  group: string;
  entry: Entry;
}

/** Message of `hfxbus:trim`. */
export interface ITrimMessage extends ITrimmedEntries {
  consumer: Consumer;
  group: string;
}

/** Message of `hfxbus:remove`. */
export interface IRemoveMessage {
  /** Consumer that removed the names. */
  consumer: Consumer;
  group: string;
  /** Stream, as passed to `process()`. */
  stream: string;
  /** Removed names. */
  consumers: string[];
}

/** Message of `hfxbus:connection`. */
export interface IConnectionMessage {
  manager: ConnectionManager;
  /**
   * - state of the shared connection, as emitted by a ConnectionManager: `connect`, `ready`, `reconnecting`
   * - state of a `getClient()` connection: `connecting`, `connect`, `ready`, `close`, `reconnecting`, `end`
   * - state of a node, with `eject`: `eject`, `readmit`
   * - `end` without a node: `stop()` has closed all connections
   */
  state: string;
  /** `host:port`, or the path of the socket, if known. */
  node?: string;
  /** Index of the node, if there is one. */
  index?: number;
  /** Name of the `getClient()` connection, if it is one. */
  client?: string;
  /** Reason of the state, if there is one. */
  error?: IRedisError;
}

/** Options of `eventStream()`. */
export interface IEventStreamOptions {
  /**
   * Time between comments that keep a connection open, in ms; 0 for none.
   * @default 15000
   */
  heartbeat?: number | null | undefined;
}

/** ReadableStream of the compiling program, if it has the type. */
export type ReadableStreamOfHost = typeof globalThis extends { ReadableStream: { prototype: infer Stream } }
  ? Stream
  : AsyncIterable<Uint8Array>;

/**
 * Converts the chunks of a result into server-sent events, for the body of a `Response`, or for `pipeline()` of Node.
 * Its cancellation ends the results. `pipeline()` cancels at the next event only: abort the `signal` of the results there.
 *
 * Each chunk is a message with its id and with its value as JSON; bytes are base64. The browser sends the last id back when it connects
 * again, as the header `Last-Event-ID`, for `from`. Other events are `restart` before the first chunk of another run, `end` after a
 * success, and `failed` after an error, with its `code` only. The browser must close its EventSource at `end`.
 *
 * @throws TypeError or RangeError that names the argument
 */
export declare function eventStream(
  results: AsyncIterable<IResultChunk>,
  options?: IEventStreamOptions,
): ReadableStreamOfHost;

// ----------------------------------------------------------------------------------------------------------- Shutdown

/** Options of `gracefulShutdown()`. */
export interface IShutdownOptions {
  /**
   * Maximum time to wait for jobs in flight, in ms. Other jobs are handed back.
   * @default 10000
   */
  timeout?: number | undefined;
  /**
   * Signals that start the shutdown.
   * @default ['SIGTERM', 'SIGINT']
   */
  signals?: string[] | null | undefined;
  /**
   * Ends the process by the signal after the shutdown, unless it has other listeners.
   * @default true
   */
  exit?: boolean | undefined;
}

/** Handle of `gracefulShutdown()`. */
export interface IShutdown {
  /** Starts the shutdown now. Returns the same promise each time, which never rejects. */
  shutDown(): Promise<void>;
  /** Removes the signal listeners. */
  cancel(): void;
}

/**
 * Pauses consumers, closes producers and stops managers, in this order, at a signal, and then ends the process. Any of `signals`
 * within 500 ms after the first one counts as a repetition: npm, tsx and process managers forward signals that the process has
 * received already. A later signal ends the process at once.
 *
 * @param members - one or several members. A manager's consumers end with it, but pause first if they are members
 * @throws TypeError or RangeError that names the invalid member or option
 */
export declare function gracefulShutdown(
  members: ConnectionManager | Producer | Consumer | Array<ConnectionManager | Producer | Consumer>,
  options?: IShutdownOptions,
): IShutdown;
