/** Types of middleware, and of that for OpenTelemetry. */
import { metrics, trace } from '@opentelemetry/api';
import type { Consumer, IConsumerMiddleware, IMiddleware, IProducerMiddleware, Producer } from 'hfxbus';
import { type OpenTelemetryOptions, openTelemetry } from 'hfxbus/opentelemetry';

declare const producer: Producer;
declare const consumer: Consumer;

const options: OpenTelemetryOptions = {
  tracerProvider: trace.getTracerProvider(),
  meterProvider: metrics.getMeterProvider(),
  parent: 'active',
};
const both: IMiddleware = openTelemetry(options);
const sending: IProducerMiddleware = async (job, next, { headers, stream }) => {
  headers.stream = stream;
  await next();
  job.set('k', 1);
};
const receiving: IConsumerMiddleware = (job, next, { group }) => (job.signal.aborted ? group : next());

export function accepted(): [Producer, Consumer] {
  return [
    producer
      .use(both)
      .use(sending)
      .use(async (job, next) => job.id && next()),
    consumer
      .use(openTelemetry())
      .use(receiving)
      .use((_job, next) => next()),
  ];
}

export function refused(): void {
  // @ts-expect-error a function of a consumer gets a received job
  producer.use(receiving);
  // @ts-expect-error a middleware is a function
  consumer.use({});
  // @ts-expect-error there is no such parent
  openTelemetry({ parent: 'none' });
  producer.use((_job, next, context) => {
    // @ts-expect-error a send has no group
    context.group;
    return next();
  });
}
