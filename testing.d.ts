/**
 * hfxbus/testing: a Redis in this process, for tests and for first steps.
 *
 * It has the semantics of Redis 7 for the commands of a bus, speaks the wire protocol on a loopback port, keeps nothing on
 * disk, and is not for production.
 *
 * @packageDocumentation
 */

declare global {
  // As in `@types/node`, for programs that compile without the types of ES2023.
  interface SymbolConstructor {
    /** Key of the method that `await using` calls. */
    readonly asyncDispose: unique symbol;
  }
}

/** Faults with their probabilities, from 0 (never) to 1 (always). The same seed causes the same faults. */
export interface Chaos {
  /**
   * Seed of the decisions. Each kind of fault counts its own events, such as the third publication or the tenth command.
   *
   * @default the server's `seed`
   */
  seed?: number | undefined;
  /**
   * Maximum delay before a client's bytes are processed, in ms.
   *
   * @default 0
   */
  delay?: number | undefined;
  /**
   * Probability that a connection is closed after a command was executed, without its reply.
   *
   * @default 0
   */
  dropConnection?: number | undefined;
  /**
   * Probability that an entry is delivered to its group once more, at the next read, acknowledged or not.
   *
   * @default 0
   */
  duplicateDelivery?: number | undefined;
  /**
   * Probability that a published message reaches no subscriber.
   *
   * @default 0
   */
  loseCompletion?: number | undefined;
}

/** Options of `EmbeddedRedis.start()`. */
export interface EmbeddedRedisOptions {
  /**
   * Port on 127.0.0.1; 0 for any free port.
   *
   * @default 0
   */
  port?: number | undefined;
  /**
   * Password that clients must send. An empty one means none.
   *
   * @default none
   */
  password?: string | undefined;
  /**
   * Maximum size of all keys, in bytes; 0 for no limit. Commands that would exceed it are refused with OOM.
   *
   * @default 268435456
   */
  maxMemory?: number | undefined;
  /**
   * Seed of random faults, unless `chaos` has its own.
   *
   * @default 0
   */
  seed?: number | undefined;
  /**
   * Clock of the server. With `'manual'` the time of expiry, entry ids and idle times stands still until
   * {@link EmbeddedRedis.advance}. Blocking reads also end by real time, and TIME returns real time.
   *
   * @default 'real'
   */
  clock?: 'real' | 'manual' | undefined;
  /** Faults. Default none. */
  chaos?: Chaos | undefined;
}

/** Redis in this process, on the thread of the engine. It keeps the process alive until it is stopped. */
export declare class EmbeddedRedis {
  private constructor();

  /**
   * Starts a server. Resolves when it listens.
   *
   * @throws TypeError or RangeError that names the option
   * @throws Error with code `EADDRINUSE` or `EACCES` if it cannot listen on the port
   */
  static start(options?: EmbeddedRedisOptions): Promise<EmbeddedRedis>;

  /** Port of the server. */
  readonly port: number;

  /** URL for `ConnectionManager.standalone()`, with the password. */
  readonly url: string;

  /**
   * Advances the clock of a server with `clock: 'manual'`: keys expire, idle times grow, and blocking reads return whose BLOCK
   * has passed.
   *
   * @param ms time to add, in ms
   * @throws TypeError for a server with a real clock
   */
  advance(ms: number): void;

  /** Closes every connection and drops all data. A second call has no effect. */
  stop(): Promise<void>;

  /** Equals `stop()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}
