/**
 * hfxbus/testing: a Redis in this process, for tests and for first steps.
 *
 * It has the semantics of Redis 7 for what a bus uses, speaks the wire protocol on a loopback port, keeps nothing on
 * disk, and is not for production.
 *
 * @packageDocumentation
 */

declare global {
  // As `@types/node` has it, for who compiles without the language's own.
  interface SymbolConstructor {
    /** What `await using` calls. */
    readonly asyncDispose: unique symbol;
  }
}

/** What is to go wrong, and how often: odds from 0, never, to 1, always. The same seed makes the same go wrong. */
export interface Chaos {
  /**
   * What the decisions come of. Each kind is counted for itself: the third publication, the tenth command.
   *
   * @default the server's `seed`
   */
  seed?: number | undefined;
  /**
   * What a client sent is looked at up to so many ms late.
   *
   * @default 0
   */
  delay?: number | undefined;
  /**
   * The odds that a connection is closed after a command was carried out, without its reply.
   *
   * @default 0
   */
  dropConnection?: number | undefined;
  /**
   * The odds that an entry that a group gets is given to it once more, to whoever reads next, acknowledged or not.
   *
   * @default 0
   */
  duplicateDelivery?: number | undefined;
  /**
   * The odds that what is published is heard by nobody.
   *
   * @default 0
   */
  loseCompletion?: number | undefined;
}

/** How a server is started. */
export interface EmbeddedRedisOptions {
  /**
   * Where it listens on 127.0.0.1; 0 for any port that is free.
   *
   * @default 0
   */
  port?: number | undefined;
  /**
   * What clients have to authenticate with; an empty one is none.
   *
   * @default none
   */
  password?: string | undefined;
  /**
   * How many bytes the keys may take; what would add more is refused with OOM. 0 for any number.
   *
   * @default 268435456
   */
  maxMemory?: number | undefined;
  /**
   * What goes wrong by chance comes of this, unless `chaos` has a seed of its own.
   *
   * @default 0
   */
  seed?: number | undefined;
  /**
   * `'manual'`: time stands still for keys that expire, for the ids of entries and for what is pending, unless
   * {@link EmbeddedRedis.advance} lets it pass. Who waits in a read waits by real time too, and TIME tells that.
   *
   * @default 'real'
   */
  clock?: 'real' | 'manual' | undefined;
  /** What is to go wrong. */
  chaos?: Chaos | undefined;
}

/** A Redis in this process, on the thread that buses run on as well. It keeps the process alive until it is stopped. */
export declare class EmbeddedRedis {
  private constructor();

  /**
   * Starts a server. It listens when the promise is resolved.
   *
   * @throws TypeError or RangeError for options that cannot work
   * @throws an error with code `EADDRINUSE` or `EACCES` if it cannot listen there
   */
  static start(options?: EmbeddedRedisOptions): Promise<EmbeddedRedis>;

  /** Where it listens. */
  readonly port: number;

  /** What `ConnectionManager.standalone()` takes, with the password. */
  readonly url: string;

  /**
   * Lets time pass, for a server with `clock: 'manual'`: keys expire, what is pending gets older, and reads whose
   * BLOCK is over then return.
   *
   * @param ms how much
   * @throws TypeError for a server whose clock is real
   */
  advance(ms: number): void;

  /** Closes every connection; what was there is gone. Twice is fine. */
  stop(): Promise<void>;

  /** As `stop()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
