'use strict';

/* hfxbus/opentelemetry: spans and metrics of sends and runs, by the SDK of OpenTelemetry. */

const assert = require('node:assert');
const { after, before, beforeEach } = require('node:test');
const otel = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');
const { W3CTraceContextPropagator } = require('@opentelemetry/core');
const { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } =
  require('@opentelemetry/sdk-metrics');
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { openTelemetry } = require('../../opentelemetry.js');
const { ours } = require('../support/cases.js');
const { until } = require('../support/wait-until.js');

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const KINDS = otel.SpanKind;

before(() => {
  otel.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  otel.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  otel.trace.setGlobalTracerProvider(provider);
});
beforeEach(() => exporter.reset());
after(() => {
  otel.context.disable();
  otel.trace.disable();
  otel.propagation.disable();
});

/** Waits for finished spans with a name. */
function spansOf(name, count = 1) {
  return until(() => {
    const found = exporter.getFinishedSpans().filter((span) => span.name === name);
    return found.length >= count && found;
  });
}

const idOf = (span) => span.spanContext().spanId;
const traceOf = (span) => span.spanContext().traceId;

async function playTraced(scene, processor, { deadline, batch, options, group } = {}) {
  const consumer = scene.consumer({ concurrency: 4, ...(group && { group }) }).use(openTelemetry(options));
  consumer.process({ stream: scene.stream, processor, deadline, batch });
  await consumer.play();
  return consumer;
}

function tracedProducer(scene, options) {
  return scene.producer().use(openTelemetry(options));
}

ours(
  'a trace leads from the caller through the send to the runs of all groups and their own spans',
  async (_, scene) => {
    const tracer = otel.trace.getTracer('shop');
    const other = scene.name('group');
    const processor = () => tracer.startActiveSpan('look up', async (span) => span.end());
    const consumer = await playTraced(scene, processor);
    await playTraced(scene, processor, { group: other });
    const producer = tracedProducer(scene);
    const id = await tracer.startActiveSpan('request', async (span) => {
      const waitFor = [scene.group, other];
      const job = await producer.send({ stream: scene.stream, job: producer.job(), waitFor });
      await job.finished(8000);
      span.end();
      return job.id;
    });
    const [request] = await spansOf('request');
    const [send] = await spansOf(`send ${scene.stream}`);
    const runs = await spansOf(`process ${scene.stream}`, 2);
    const inner = await spansOf('look up', 2);
    assert.strictEqual(send.parentSpanContext.spanId, idOf(request));
    assert.deepStrictEqual(
      runs.map((run) => run.parentSpanContext.spanId),
      [idOf(send), idOf(send)],
    );
    assert.deepStrictEqual(new Set(inner.map((one) => one.parentSpanContext.spanId)), new Set(runs.map(idOf)));
    assert.strictEqual(new Set([request, send, ...runs, ...inner].map(traceOf)).size, 1);
    assert.deepStrictEqual([send.kind, runs[0].kind], [KINDS.PRODUCER, KINDS.CONSUMER]);
    assert.deepStrictEqual(
      runs[0].links.map(({ context }) => context.spanId),
      [idOf(send)],
    );
    assert.deepStrictEqual(send.attributes, {
      'messaging.system': 'hfxbus',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': scene.stream,
      'messaging.client.id': producer.id,
      'messaging.message.id': id,
    });
    const run = runs.find(({ attributes }) => attributes['messaging.consumer.group.name'] === scene.group);
    assert.deepStrictEqual(run.attributes, {
      'messaging.system': 'hfxbus',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': scene.stream,
      'messaging.client.id': consumer.id,
      'messaging.consumer.group.name': scene.group,
      'messaging.message.id': id,
    });
  },
);

ours('a span of a run has the error of an exception, of job.reject() or of a deadline', async (_, scene) => {
  await playTraced(
    scene,
    async (job) => {
      if (job.id === 'thrown') throw Object.assign(new Error('broken'), { code: 'E_BROKEN' });
      if (job.id === 'rejected') await job.reject(new RangeError('refused'));
      if (job.id === 'late') await new Promise((resolve) => job.signal.addEventListener('abort', resolve));
    },
    { deadline: 100 },
  );
  const producer = tracedProducer(scene);
  const sends = ['thrown', 'rejected', 'late', 'fine'].map((id) => ({ stream: scene.stream, job: producer.job(id) }));
  await producer.sendAll(sends);
  const runs = await spansOf(`process ${scene.stream}`, 4);
  const errors = runs.map(({ attributes, status, events }) => [
    attributes['messaging.message.id'],
    attributes['error.type'],
    status.code,
    events.map(({ name }) => name),
  ]);
  const { ERROR, UNSET } = otel.SpanStatusCode;
  assert.deepStrictEqual(errors.sort(), [
    ['fine', undefined, UNSET, []],
    ['late', 'DEADLINE_TIMEOUT', ERROR, ['exception']],
    ['rejected', 'RangeError', ERROR, ['exception']],
    ['thrown', 'E_BROKEN', ERROR, ['exception']],
  ]);
  assert.strictEqual((await spansOf(`send ${scene.stream}`, 4)).length, 4);
});

ours('a span of a send has the error of Redis', async (_, scene) => {
  const producer = tracedProducer(scene, { tracerProvider: provider });
  await scene.redis.call('SET', 'hfxbus:str:taken', 'no stream');
  await assert.rejects(producer.send({ stream: 'taken', job: producer.job() }), { code: 'WRONGTYPE' });
  const [{ attributes, status }] = await spansOf('send taken');
  assert.deepStrictEqual([attributes['error.type'], status.code], ['WRONGTYPE', otel.SpanStatusCode.ERROR]);
});

ours('each job of a batch has a span of its own trace', async (_, scene) => {
  await playTraced(scene, async () => {}, { batch: { size: 2, wait: 20_000 } });
  const producer = tracedProducer(scene);
  await producer.sendAll(['a', 'b'].map((id) => ({ stream: scene.stream, job: producer.job(id) })));
  const runs = await spansOf(`process ${scene.stream}`, 2);
  const sends = await spansOf(`send ${scene.stream}`, 2);
  assert.deepStrictEqual(new Set(runs.map(traceOf)), new Set(sends.map(traceOf)));
  assert.strictEqual(new Set(runs.map(traceOf)).size, 2);
});

ours('a context that the headers have already stays, and the span of the send links to it', async (_, scene) => {
  await playTraced(scene, async () => {});
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const producer = scene.producer();
  producer.use((_job, next, { headers }) => {
    headers.traceparent = traceparent;
    return next();
  });
  producer.use(openTelemetry());
  await producer.send({ stream: scene.stream, job: producer.job() });
  const [send] = await spansOf(`send ${scene.stream}`);
  const [run] = await spansOf(`process ${scene.stream}`);
  assert.deepStrictEqual([send.kind, send.links[0].context.spanId], [KINDS.CLIENT, 'b7ad6b7169203331']);
  assert.strictEqual(run.parentSpanContext.spanId, 'b7ad6b7169203331');
});

ours(
  "with parent: 'active' the span of a run is a child of the active one, and links to the send",
  async (_, scene) => {
    const tracer = otel.trace.getTracer('outer');
    const consumer = scene.consumer();
    consumer.use((_job, next) =>
      tracer.startActiveSpan('outer', async (span) => {
        await next();
        span.end();
      }),
    );
    consumer.use(openTelemetry({ parent: 'active' }));
    await consumer.process({ stream: scene.stream, processor: async () => {} }).play();
    const producer = tracedProducer(scene);
    await producer.send({ stream: scene.stream, job: producer.job() });
    const [outer] = await spansOf('outer');
    const [run] = await spansOf(`process ${scene.stream}`);
    const [send] = await spansOf(`send ${scene.stream}`);
    assert.strictEqual(run.parentSpanContext.spanId, idOf(outer));
    assert.deepStrictEqual(
      run.links.map(({ context }) => context.spanId),
      [idOf(send)],
    );
    assert.throws(() => openTelemetry({ parent: 'other' }), /^TypeError: parent must be/);
  },
);

ours('a job without headers, as of 2.2.0, begins a trace', async (_, scene) => {
  await playTraced(scene, async () => {});
  await scene.add('plain');
  const [run] = await spansOf(`process ${scene.stream}`);
  assert.deepStrictEqual([run.parentSpanContext, run.links], [undefined, []]);
});

ours('metrics count sends and runs, and have their durations in seconds', async (_, scene) => {
  const exported = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: exported, exportIntervalMillis: 60_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  scene.closing(() => meterProvider.shutdown());
  await playTraced(
    scene,
    async (job) => {
      if (job.id === 'bad') throw new TypeError('no');
    },
    { options: { meterProvider } },
  );
  const producer = tracedProducer(scene, { meterProvider });
  for (const id of ['good', 'bad']) {
    const job = await producer.send({ stream: scene.stream, job: producer.job(id), waitFor: [scene.group] });
    await job.finished(8000);
  }
  await reader.forceFlush();
  const { scopeMetrics } = exported.getMetrics().at(-1).resourceMetrics ?? exported.getMetrics().at(-1);
  const metrics = new Map(scopeMetrics[0].metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]));
  const count = (name) =>
    metrics.get(name).map(({ attributes, value }) => [attributes['error.type'], value.count ?? value]);
  assert.deepStrictEqual(count('messaging.client.sent.messages'), [[undefined, 2]]);
  assert.deepStrictEqual(count('messaging.client.operation.duration'), [[undefined, 2]]);
  for (const name of ['messaging.client.consumed.messages', 'messaging.process.duration']) {
    assert.deepStrictEqual(count(name), [
      [undefined, 1],
      ['TypeError', 1],
    ]);
  }
  const [{ attributes, value }] = metrics.get('messaging.process.duration');
  assert.deepStrictEqual(attributes, {
    'messaging.system': 'hfxbus',
    'messaging.operation.name': 'process',
    'messaging.destination.name': scene.stream,
    'messaging.consumer.group.name': scene.group,
  });
  assert.ok(value.sum >= 0 && value.sum < 8, `${value.sum} s`);
});
