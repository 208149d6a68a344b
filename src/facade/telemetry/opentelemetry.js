'use strict';

const { SpanKind, SpanStatusCode, ROOT_CONTEXT, context, propagation, trace } = require('@opentelemetry/api');
const { Instruments } = require('./instruments.js');
const { errorType, recorded } = require('./span-errors.js');

/** Name of the tracer and of the meter. */
const SCOPE = 'hfxbus';

/**
 * Creates middleware for producers and consumers: a span for each send and for each run, with metrics of them.
 * @param {{ tracerProvider?: object, meterProvider?: object, parent?: 'creation' | 'active' }} [options]
 */
function openTelemetry(options = {}) {
  const { tracerProvider, meterProvider, parent = 'creation' } = options ?? {};
  if (parent !== 'creation' && parent !== 'active') throw new TypeError("parent must be 'creation' or 'active'");
  const tracer = (tracerProvider ?? trace).getTracer(SCOPE);
  const instruments = new Instruments(meterProvider, SCOPE);
  return (job, next, about) => {
    const isSend = about.producer !== undefined;
    const begun = isSend ? beginSend(tracer, job, about) : beginRun(tracer, job, about, parent);
    return observe(begun, instruments, job, next);
  };
}

/** Begins the span of a send, and adds its context to the headers, unless these have one. */
function beginSend(tracer, job, { producer, stream, headers }) {
  const attributes = { ...attributesOf('send', stream), 'messaging.client.id': producer.id };
  const active = context.active();
  const creation = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers));
  const isOwn = creation === undefined;
  const span = tracer.startSpan(
    `send ${stream}`,
    {
      kind: isOwn ? SpanKind.PRODUCER : SpanKind.CLIENT,
      attributes: { ...attributes, 'messaging.message.id': job.id },
      links: isOwn ? [] : [{ context: creation }],
    },
    active,
  );
  const within = trace.setSpan(active, span);
  if (isOwn) propagation.inject(within, headers);
  return { isSend: true, span, within, attributes };
}

/** Begins the span of a run, which continues the trace of the send. */
function beginRun(tracer, job, { consumer, stream, group, headers }, parent) {
  const attributes = {
    ...attributesOf('process', stream),
    'messaging.client.id': consumer.id,
    'messaging.consumer.group.name': group,
  };
  // The active context is not that of the job: it can be any in which the package was loaded.
  const remote = propagation.extract(ROOT_CONTEXT, headers);
  const creation = trace.getSpanContext(remote);
  const around = parent === 'creation' ? remote : context.active();
  const span = tracer.startSpan(
    `process ${stream}`,
    {
      kind: SpanKind.CONSUMER,
      attributes: { ...attributes, 'messaging.message.id': job.id },
      links: creation === undefined ? [] : [{ context: creation }],
    },
    around,
  );
  return { isSend: false, span, within: trace.setSpan(around, span), attributes };
}

function attributesOf(operation, stream) {
  return {
    'messaging.system': SCOPE,
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': stream,
  };
}

/** Runs `next()` within the context, and ends the span with it. */
async function observe({ isSend, span, within, attributes }, instruments, job, next) {
  const begin = performance.now();
  const failures = isSend ? [] : failuresOf(job);
  try {
    return await context.with(within, next);
  } catch (error) {
    failures.unshift(error);
    throw error;
  } finally {
    if (!isSend && failures.length === 0 && job.signal?.aborted) failures.push(job.signal.reason);
    const failed = failures.length > 0;
    if (failed) {
      span.recordException(recorded(failures[0]));
      span.setAttribute('error.type', errorType(failures[0]));
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
    const labels = failed ? { ...attributes, 'error.type': errorType(failures[0]) } : attributes;
    instruments.record(isSend, labels, (performance.now() - begin) / 1000);
  }
}

/** Collects the error that a processor passes to `job.reject()`, since its middleware does not get it. */
function failuresOf(job) {
  const failures = [];
  const { reject } = job;
  if (typeof reject === 'function' && Object.isExtensible(job)) {
    job.reject = (error) => {
      failures.push(error);
      return reject(error);
    };
  }
  return failures;
}

module.exports = { openTelemetry };
