import type { MeterProvider, TracerProvider } from '@opentelemetry/api';
import type { IMiddleware } from './index.js';

/** Options of `openTelemetry()`. */
export interface OpenTelemetryOptions {
  /**
   * Provider of the tracer.
   * @default the global one
   */
  tracerProvider?: TracerProvider | undefined;
  /**
   * Provider of the meter.
   * @default the global one at the first job
   */
  meterProvider?: MeterProvider | undefined;
  /**
   * Parent of the span of a run.
   *
   * - `'creation'`: the span of the send, in whichever process
   * - `'active'`: the active span, such as one of a middleware in front of this one; the send is a link only
   * @default 'creation'
   */
  parent?: 'creation' | 'active' | undefined;
}

/**
 * Creates middleware for producers and for consumers. It follows the semantic conventions of OpenTelemetry for messaging.
 *
 * - A producer gets a span `send {stream}` for each job. It ends with the reply of Redis. Its context travels in the headers of
 *   the entry, by the global propagator. Headers that have a context already are left alone: the span links to that one.
 * - A consumer gets a span `process {stream}` for each run of a job, also in a batch. It has a link to the span of the send. It
 *   ends with the middleware, and has the error of a rejection or of a deadline.
 *
 * Metrics are `messaging.client.sent.messages`, `messaging.client.operation.duration`, `messaging.client.consumed.messages` and
 * `messaging.process.duration`, in seconds.
 *
 * It needs the package `@opentelemetry/api`. Register the SDK before the first job.
 *
 * @example
 * ```ts
 * producer.use(openTelemetry());
 * consumer.use(openTelemetry());
 * ```
 *
 * @throws TypeError that names the option
 */
export declare function openTelemetry(options?: OpenTelemetryOptions): IMiddleware;
