import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ConnectionManager } from './index.js';

/** Options of a dashboard. Without `authorize` and without `public` it is not created. */
export interface DashboardOptions {
  /**
   * Check of every request, also of those for files. It gets the request of the framework: an `IncomingMessage` from
   * `handler`, and a `Request` from `fetch`. A falsy result is answered with status 401. A text, or the text `user` of an
   * object, is the name of the user in the messages of `hfxbus:dashboard`. An error is answered with status 500.
   */
  authorize?: ((request: any) => DashboardVerdict | Promise<DashboardVerdict>) | undefined;
  /**
   * True opens the dashboard to everybody. It cannot be combined with `authorize`.
   * @default false
   */
  public?: boolean | undefined;
  /**
   * True allows to replay and drop dead letters.
   * @default false
   */
  actions?: boolean | undefined;
  /**
   * True shows the first 64 KiB of values of payloads. Their keys and sizes are always shown.
   * @default false
   */
  payloads?: boolean | undefined;
  /**
   * Path at which the dashboard is mounted, such as `/bus`. A framework can remove it from the request, and need not.
   * @default ''
   */
  basePath?: string | undefined;
  /**
   * Time between two polls of Redis while a page is open, in ms, from 500 to 60000.
   * @default 2000
   */
  interval?: number | undefined;
  /**
   * Names of the streams. Without it, SCAN finds them, which visits every key of the database. So it does for the partitions of a
   * stream that has some.
   */
  streams?: readonly string[] | undefined;
  /**
   * Further origins of the dashboard, such as `https://ops.example.org`, behind a proxy that changes the host of requests.
   * @default []
   */
  origins?: readonly string[] | undefined;
}

/** Result of `authorize`. */
export type DashboardVerdict = boolean | string | { user?: string | undefined } | null | undefined;

/** Dashboard of one bus or of several. */
export interface Dashboard {
  /** Answers a request of `node:http`, Express, Fastify, Koa or Nest. Resolves once the response is written or is a stream. */
  handler(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Answers a request of the Fetch standard, such as those of Hono and Next. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Ends the open streams of events, the polls and the connections. */
  close(): Promise<void>;
}

/** Message of the channel `hfxbus:dashboard` of `node:diagnostics_channel`, for each letter of an action. */
export interface DashboardMessage {
  /** The action. */
  action: 'replay' | 'drop';
  /** Name of the user from `authorize`; `null` without one. */
  by: string | null;
  /** Name of the bus; empty for a single ConnectionManager. */
  bus: string;
  /** Stream of the dead letters. */
  stream: string;
  /** The letter, with the stream and the group of its job. */
  letter: { id: string; node: number; jobId: string; stream: string; group: string };
  /** Id of the new entry, after a replay. */
  entryId?: string;
  /** False if the letter was deleted before, after a drop. */
  isDropped?: boolean;
  /** Reason of a failure. */
  error?: Error;
}

/**
 * Creates a dashboard: pages with the streams, groups, jobs, dead letters and servers of a bus.
 *
 * It has connections of its own to the servers of the bus. The first request opens them, and `close()` closes them. All readers
 * share one poller, which ends 15 s after the last look.
 *
 * @param connections - a ConnectionManager, an array of them, or an object with a name for each
 * @param options - `authorize` or `public: true` must be given
 * @throws TypeError for an invalid option, and RangeError for a number out of range
 */
export declare function createDashboard(
  connections: ConnectionManager | readonly ConnectionManager[] | Readonly<Record<string, ConnectionManager>>,
  options: DashboardOptions,
): Dashboard;
