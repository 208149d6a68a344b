'use strict';

/* That API.md has everything that the types make public, each with its default, and with an example that runs. */

const assert = require('node:assert');
const { before, describe, it } = require('node:test');
const { ApiSections, Section } = require('./api-sections.js');
const { WITH_PROGRAMS, filesOf, read } = require('./documents.js');
const { PublicTypes } = require('./public-types.js');

const NODES = '`ConnectionManager.nodes({ nodes, … })`';
const SENTINELS = 'Options of a Redis that sentinels know';
const MANAGER_EVENTS = 'Events of a ConnectionManager';

/** In which sections' tables options are. */
const OPTIONS = {
  IStandaloneOptions: 'Options of a connection',
  ISentinelOptions: SENTINELS,
  ITlsOptions: 'TLS',
  IClusterOptions: '`ConnectionManager.cluster(startupNodes, options?)`',
  IRedisNodes: NODES,
  IRedisClientOptions: NODES,
  IEjectOptions: 'Nodes that fail',
  IRetentionOptions: 'Retention',
  'ConnectionManager.stop': '`connection.stop({ maxWait?, force? })`',
  IHistoryOptions: '`connection.history(options)`',
  ISendOptions: '`producer.send(options)`',
  ISendAllOptions: '`producer.sendAll(sends, { atomic? })`',
  IConsumerOptions: 'Options of a consumer',
  IProcessOptions: '`consumer.process(options)`',
  IResultLimits: 'Limits of results',
  IResultOptions: '`job.results(options?)`, `producer.results(options)`',
  IProducerResultOptions: '`job.results(options?)`, `producer.results(options)`',
  IEventStreamOptions: '`eventStream(results, options?)`',
  IBatchOptions: 'Batches',
  IOrderOptions: 'Partitions',
  IFairOptions: 'Fair dispatch',
  IRateLimitOptions: 'Rate limits',
  IPartitionedStream: 'Partitions',
  IBackoffOptions: 'Claiming',
  IContractDefinition: '`defineStream(definition)`',
  IContractSendOptions: '`contract.send(producer, values, options?)`',
  IContractProcessOptions: '`contract.process(consumer, options)`',
  IContractBatchOptions: '`contract.process(consumer, options)`',
  ICodecOptions: 'Codecs',
  OpenTelemetryOptions: 'OpenTelemetry',
  IShutdownOptions: '`gracefulShutdown(members, options?)`',
  EmbeddedRedisOptions: '`EmbeddedRedis.start(options?)`',
  Chaos: '`EmbeddedRedis.start(options?)`',
  DashboardOptions: '`createDashboard(connections, options)`',
};

/** In which sections' tables events are. */
const EVENTS = {
  IConnectionManagerEvents: [MANAGER_EVENTS, 'ConnectionManager'],
  IRedisClientEvents: ['RedisClient', 'RedisClient'],
  IProducerEvents: ['Events of a producer', 'Producer'],
  IConsumerEvents: ['Events of a consumer', 'Consumer'],
};

/** In which section whatever else is. */
const OTHERS = {
  ConnectionManager: 'ConnectionManager',
  'ConnectionManager.constructor': 'ConnectionManager',
  IAddress: SENTINELS,
  INodeChange: MANAGER_EVENTS,
  IRingChange: MANAGER_EVENTS,
  IHistoryEntry: '`connection.history(options)`',
  IHistoryGap: '`connection.history(options)`',
  IHistoryTrimmedError: '`connection.history(options)`',
  RedisClient: 'RedisClient',
  'RedisClient.multi': 'RedisClient',
  IRedisCollector: 'RedisClient',
  IRedisPipeline: 'RedisClient',
  IRedisOpenTransaction: 'RedisClient',
  IRedisTransaction: 'RedisClient',
  Producer: 'Producer',
  ISentJob: 'Producer',
  'ISentJob.finished': 'Producer',
  IBacklogError: 'Retention',
  ISendAllError: '`producer.sendAll(sends, { atomic? })`',
  IDurableOptions: '`producer.send(options)`',
  ICarryOptions: '`producer.send(options)`',
  IIdempotencyOptions: 'Idempotency ids',
  ICancelOptions: '`producer.cancel({ stream, id, route?, partitions? })`',
  Consumer: 'Consumer',
  IBatchProcessOptions: 'Batches',
  'Consumer.play': 'Consumer',
  'Consumer.stats': 'Stats',
  IReceivedJob: 'Received jobs',
  IClaimedEntry: 'Events of a consumer',
  IExhaustedEntry: 'Events of a consumer',
  ITrimmedEntries: 'Events of a consumer',
  IOwnedPartition: 'Events of a consumer',
  UnrecoverableError: 'Claiming',
  DeadLetters: 'DeadLetters',
  'DeadLetters.list': 'DeadLetters',
  IDeadLetter: 'DeadLetters',
  Job: 'Job',
  'Job.pull': 'Job',
  IResultChunk: '`job.results(options?)`, `producer.results(options)`',
  IResults: '`job.results(options?)`, `producer.results(options)`',
  IResultGap: '`job.results(options?)`, `producer.results(options)`',
  IResultTrimmedError: '`job.results(options?)`, `producer.results(options)`',
  IResultFailedError: '`job.results(options?)`, `producer.results(options)`',
  IStreamContract: 'Contracts',
  IContractSend: '`contract.send(producer, values, options?)`',
  ISentContractJob: '`contract.send(producer, values, options?)`',
  'ISentContractJob.finished': '`contract.send(producer, values, options?)`',
  IJsonKey: 'Payload keys of a contract',
  IBytesKey: 'Payload keys of a contract',
  IContractJob: '`contract.process(consumer, options)`',
  ContractError: 'Values that do not fit',
  ISendContext: 'Middleware',
  IDeliveryContext: 'Middleware',
  ICodec: 'Codecs',
  ICodecContext: 'Codecs',
  ICodecError: 'Codecs',
  IConsumerStats: 'Stats',
  IProducerStats: 'Stats',
  IStreamStats: 'Stats',
  IConnectionStats: 'Stats',
  IDiagnostics: 'Diagnostics',
  ISendMessage: 'Diagnostics',
  ISentMessage: 'Diagnostics',
  IReceiveMessage: 'Diagnostics',
  ISettleMessage: 'Diagnostics',
  IEntryMessage: 'Diagnostics',
  ITrimMessage: 'Diagnostics',
  IRemoveMessage: 'Diagnostics',
  IConnectionMessage: 'Diagnostics',
  IShutdown: 'Shutdown',
  IRedisError: 'Errors',
  IProducerError: 'Errors',
  IConsumerError: 'Errors',
  ITimeoutError: 'Errors',
  IFinishDiagnosis: 'Jobs that are not finished in time',
  IGroupDiagnosis: 'Jobs that are not finished in time',
  EmbeddedRedis: 'Testing',
  Dashboard: '`createDashboard(connections, options)`',
  DashboardMessage: '`createDashboard(connections, options)`',
  IEmitter: 'Emitters',
  IRedisClient: 'Types',
  IRedisClientPair: 'Types',
};

/** The language's own, by a name of ours. */
const NOT_OURS = ['IAbortSignal', 'IUrl', 'IStandardSchema', 'ISchemaIssue'];

/** Form of a default value in a table cell; a description in words does not match. */
const LITERAL = /^(times =>.*|\(\) => \w+|'[^']*'|\[[^\]]*\]|[\d.]+|true|false|Infinity|null)/;

describe('API.md', () => {
  const sections = new ApiSections();
  let types;
  let declared;

  before(() => {
    types = new PublicTypes(WITH_PROGRAMS);
    declared = types.declared().filter(({ owner }) => !NOT_OURS.includes(owner));
    assert.ok(declared.length > 300, `${declared.length} names`);
  });

  const of = (owners) => declared.filter(({ owner }) => Object.hasOwn(owners, owner));
  const path = ({ owner, name }) => (owner === null ? name : `${owner}.${name}`);
  const rowOf = ({ owner, name }) => sections.section(OPTIONS[owner]).rows.find(({ names }) => names.has(name));

  it('has a section for everything with members', () => {
    const places = { ...OPTIONS, ...EVENTS, ...OTHERS };
    const owners = new Set(declared.map(({ owner }) => owner).filter((owner) => owner !== null));
    assert.deepStrictEqual(
      [...owners].filter((owner) => !Object.hasOwn(places, owner)),
      [],
    );
    assert.deepStrictEqual(
      Object.keys(places).filter((owner) => !owners.has(owner)),
      [],
    );
  });

  it('names every class, function and constant', () => {
    const { names } = sections.whole;
    const missing = declared.filter(({ owner, name }) => owner === null && !names.has(name));
    assert.deepStrictEqual(missing.map(path), []);
  });

  it('has a row for every option, with its default', () => {
    const options = of(OPTIONS);
    assert.deepStrictEqual(options.filter((option) => !rowOf(option)).map(path), []);
    const isWrong = (option) => {
      const [literal] = LITERAL.exec(option.default ?? '') ?? [];
      return literal !== undefined && !rowOf(option).second.includes(`\`${literal}\``);
    };
    assert.deepStrictEqual(
      options.filter(isWrong).map((option) => `${path(option)}: ${option.default}, not ${rowOf(option).second}`),
      [],
    );
  });

  it('has no undeclared option, except those without effect', () => {
    const names = new Set(of(OPTIONS).map(({ name }) => name));
    const rows = [...new Set(Object.values(OPTIONS))].flatMap((title) => {
      const { lines } = sections.section(title);
      const table = lines.slice(lines.findIndex((line) => line.startsWith('| option')));
      return new Section(table.slice(0, table.indexOf(''))).rows;
    });
    const stale = rows.filter(({ second }) => !/^without effect|^TypeError/.test(second));
    assert.deepStrictEqual(
      stale.flatMap((row) => [...row.names].filter((name) => !names.has(name))),
      [],
    );
  });

  it('has a row for every event', () => {
    const isMissing = ({ owner, name }) => {
      return !sections.section(EVENTS[owner][0]).rows.some(({ names }) => names.has(name));
    };
    assert.deepStrictEqual(of(EVENTS).filter(isMissing).map(path), []);
  });

  it('names every method, property and field in its section', () => {
    const isNamed = ({ owner, name }) => {
      if (name === '[Symbol.asyncDispose]')
        return sections.section('Shutdown').lines.join('\n').includes('`await using`');
      // A channel's name has several parts.
      const { names } = sections.section(OTHERS[owner]);
      return name === 'constructor' || name.split(':').every((part) => names.has(part));
    };
    assert.deepStrictEqual(
      of(OTHERS)
        .filter((member) => !isNamed(member))
        .map(path),
      [],
    );
  });

  it('names every environment variable that the package reads', () => {
    const variable = /process\.env\.([A-Z_]{2,})|env::var(?:_os)?\("([A-Z_]+)"\)/g;
    const found = filesOf('src').flatMap((file) =>
      [...read(file).matchAll(variable)].map(([, js, rust]) => js ?? rust),
    );
    assert.ok(found.length > 3, found.join());
    const { names } = sections.section('Variables of the environment');
    assert.deepStrictEqual(
      found.filter((name) => !names.has(name)),
      [],
    );
  });

  it('has programs that compile, as have the other documents', () => {
    assert.deepStrictEqual(types.problems(), []);
  });

  it('has everything that can be called, given or listened to in a program that runs', () => {
    const used = types.used('API.md');
    const isEvent = ({ owner }) => Object.hasOwn(EVENTS, owner);
    const isShown = (one) => used.has(isEvent(one) ? `${EVENTS[one.owner][1]} '${one.name}'` : path(one));
    const isOption = (one) => Object.hasOwn(OPTIONS, one.owner) && !rowOf(one).second.startsWith('without effect');
    const wanted = declared.filter((one) => one.kind !== 'property' || isOption(one) || isEvent(one));
    assert.deepStrictEqual([...new Set(wanted.filter((one) => !isShown(one)).map(path))], []);
  });
});
