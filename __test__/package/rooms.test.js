'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');

const SRC = path.resolve(__dirname, '..', '..', 'src');
/** The highest number of files in one folder. */
const MOST_FILES = 20;

/**
 * Rooms from top to bottom. A room can import from rooms of lower lines only; rooms of one line do not know each other.
 *
 * Two exceptions remain in `engine/consumer`. The turn starts the deadline timer by a function pointer of the consumer, since
 * that timer settles jobs and a settlement ends with a turn. In the same way a lease renewal leads to a turn.
 */
const LAYERS = {
  '': [['binding'], ['embedded', 'engine'], ['redis_io']],
  engine: [
    ['shutdown', 'submission'],
    ['bus', 'stats'],
    ['consumer', 'producer', 'result_channels'],
    ['partitions'],
    ['nodes'],
    ['connections'],
    ['protocol'],
    ['options'],
    ['runtime'],
    ['host'],
  ],
  'engine/consumer': [
    ['play', 'stop'],
    ['ownership'],
    ['deadline_timer', 'reading', 'claiming', 'retention'],
    ['settlement'],
    ['dead_lettering'],
    ['turn'],
    ['lease_renewal', 'entry_commands', 'job_delivery'],
    ['state'],
  ],
  redis_io: [
    ['cluster', 'pubsub', 'sentinel'],
    ['connection'],
    ['link', 'streams'],
    ['command_selection'],
    ['command'],
    ['command_meta'],
    ['destination'],
    ['error', 'options'],
    ['keys'],
    ['address', 'glob', 'key_slot', 'locked', 'metrics', 'resp', 'tasks', 'tls_error'],
    ['sync', 'world'],
  ],
  'redis_io/cluster': [
    ['redirection', 'sent_search', 'topology_refresh'],
    ['state'],
    ['pool'],
    ['topology', 'redirect'],
    ['slot_map'],
  ],
  embedded: [
    ['access'],
    ['server'],
    ['offline', 'session'],
    ['dispatch'],
    ['gating'],
    ['commands'],
    ['command_lookup', 'execution'],
    ['command', 'monitor', 'serving'],
    ['core'],
    ['keyspace'],
    ['streams'],
    ['clients'],
    ['options', 'simulation'],
    ['chaos', 'key', 'protocol'],
    ['clock', 'random', 'socket'],
  ],
  'embedded/streams': [['delivery'], ['stream'], ['log'], ['group', 'node'], ['listpack', 'stream_id']],
  facade: [['api', 'telemetry'], ['redis'], ['bridge'], ['options'], ['support']],
  'dashboard/server': [
    ['dashboard'],
    ['http'],
    ['pages', 'actions'],
    ['views'],
    ['poller', 'cache', 'limiter', 'options'],
    ['bus'],
    ['http-error'],
  ],
  scripts: [['cli'], ['dashboard', 'nestjs'], ['inspection'], ['facade']],
};

/** Types of redis_io that the binding can name, with the reason. All else goes through the engine. */
const BINDING_IMPORTS = {
  'cluster::slot_map::Address': 'an address in the options of a Cluster and of sentinels',
  'connection::metrics::Totals': 'the traffic in the statistics',
  'connection::tls::InvalidTls': 'the error of TLS options that rustls refuses',
  'connection::tls::self': 'the check of TLS options before anything is sent',
  'error::RedisError': 'the error that JavaScript receives',
  'error::RedisErrorKind': 'the code of that error',
  'error::errno_name': 'the code of an error of the system',
  'link::ErrorAction': 'the answer of reconnectOnError',
  'link::LinkState': 'the state of a connection, with the name that ioredis has for it',
  'options::ClusterOptions': 'options',
  'options::Endpoint': 'options',
  'options::LinkOptions': 'options',
  'options::QueueLimit': 'options',
  'options::ReplicationRole': 'options',
  'options::ScaleReads': 'options',
  'options::TlsOptions': 'options',
  'resp::Value': 'the reply to a command of the user',
  'streams::carried_payload::CarriedPayload': 'the payload that an entry carries',
};

/** Files below a folder, as paths from there. */
function filesIn(folder, ending, within = '') {
  return fs.readdirSync(path.join(SRC, folder, within), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(within, entry.name);
    if (entry.isDirectory()) return filesIn(folder, ending, name);
    return name.endsWith(ending) ? [name] : [];
  });
}

/** The code of a Rust file without its comments and tests: tests can import what they check against. */
function rustCode(file) {
  const [code] = fs.readFileSync(file, 'utf8').split(/^#\[cfg\(test\)\]\s*mod /m);
  return code.replace(/^\s*\/\/.*$/gm, '');
}

/** Rooms that the files of `area` import from, as pairs of a file and a room. */
function rustImports(area) {
  const prefix = ['crate', ...area.split('/').filter(Boolean)].join('::');
  return filesIn(area, '.rs').flatMap((name) => {
    const code = rustCode(path.join(SRC, area, name));
    const paths = name.includes('/') ? prefix : `(?:${prefix}|(?<!super::)super)`;
    return [...code.matchAll(new RegExp(`\\b${paths}::([a-z]\\w*)`, 'g'))].map(([, room]) => ({ name, room }));
  });
}

/**
 * Calls of methods of `type` between the rooms of `area`, as pairs of a file and a room. `type` has its methods in many
 * files, so calls between them need no import. Methods in `mod.rs` are accessors that every room can use.
 */
function methodCalls(area, type, receivers) {
  const files = filesIn(area, '.rs').map((name) => ({ name, code: rustCode(path.join(SRC, area, name)) }));
  const rooms = new Map();
  for (const { name, code } of files) {
    for (const [, body] of code.matchAll(new RegExp(`^impl(?:<[^>]*>)? (?:\\w+ for )?${type} {(.*?)^}`, 'gms'))) {
      for (const [, method] of body.matchAll(/\bfn (\w+)/g)) rooms.set(method, roomOf(name));
    }
  }
  return files.flatMap(({ name, code }) => {
    const calls = code.matchAll(new RegExp(`\\b(?:${receivers.join('|')})\\s*\\.\\s*(\\w+)\\(`, 'g'));
    return [...calls]
      .map(([, method]) => ({ name, room: rooms.get(method) }))
      .filter(({ room }) => room !== undefined && room !== 'mod');
  });
}

/** Paths that Rust code imports from `crate::redis_io`, without that prefix. */
function redisImports(code) {
  return [...code.matchAll(/\bcrate::redis_io::([\w:]*\w)(?:::\{([^}]*)\})?/g)].flatMap(([, stem, names]) =>
    names === undefined ? [stem] : names.split(',').flatMap((name) => (name.trim() ? [`${stem}::${name.trim()}`] : [])),
  );
}

/** Modules that Rust code of the module `own` names by a path, without `crate`. */
function modulePaths(code, own) {
  const [...absolute] = code.matchAll(/\bcrate::((?:\w+::)*\w+)/g);
  const [...relative] = code.matchAll(/\b((?:super::)+)((?:\w+::)*\w+)/g);
  return [
    ...absolute.map(([, named]) => named.split('::')),
    ...relative.map(([, up, named]) => [...own.slice(0, -up.split('super').length + 1), ...named.split('::')]),
  ];
}

/** Files that each Rust file of `area` imports from there. */
function fileImports(area) {
  const moduleOf = (name) => path.posix.join(area, name.replace(/(^|\/)mod\.rs$|\.rs$/, ''));
  const files = new Map(filesIn(area, '.rs').map((name) => [moduleOf(name).replaceAll('/', '::'), name]));
  // A path is defined in the file of its longest module. The root of an area only lists modules.
  const fileOf = (named) => {
    const ends = named.map((_, index) => named.slice(0, named.length - index).join('::'));
    const found = ends.find((module) => files.has(module));
    return found === area ? undefined : files.get(found);
  };
  return new Map(
    [...files].map(([module, name]) => {
      const paths = modulePaths(rustCode(path.join(SRC, area, name)), module.split('::'));
      return [name, new Set(paths.map(fileOf).filter((file) => file !== undefined && file !== name))];
    }),
  );
}

/** Files whose imports lead back to them. */
function inCircles(imports) {
  const reached = (from) => {
    const found = new Set();
    const left = [from];
    while (left.length > 0) {
      for (const next of imports.get(left.pop()) ?? []) {
        if (!found.has(next)) left.push(next);
        found.add(next);
      }
    }
    return found;
  };
  return [...imports.keys()].filter((name) => reached(name).has(name));
}

/** Rooms that the scripts of `area` import from there, as pairs of a file and a room. */
function scriptImports(area) {
  return filesIn(area, '.js').flatMap((name) => {
    const code = fs.readFileSync(path.join(SRC, area, name), 'utf8');
    return [...code.matchAll(/require\('(\.[^']+)'\)/g)]
      .map(([, target]) => path.posix.join(path.posix.dirname(name), target))
      .filter((target) => !target.startsWith('..'))
      .map((target) => ({ name, room: roomOf(target) }));
  });
}

function roomOf(name) {
  return name.split('/')[0].replace(/\.(rs|js)$/, '');
}

/** Imports and calls that do not point down, in words. */
function upward(layers, imports) {
  const rank = (room) => layers.findIndex((rooms) => rooms.includes(room));
  return imports
    .map(({ name, room }) => ({ name, room, from: roomOf(name) }))
    .filter(({ room, from }) => from !== room && from !== 'mod' && from !== 'lib')
    .filter(({ room, from }) => rank(from) < 0 || rank(room) < 0 || rank(room) <= rank(from))
    .map(({ name, room }) => `${name} uses ${room}`);
}

for (const area of ['', 'engine', 'engine/consumer', 'redis_io', 'redis_io/cluster', 'embedded', 'embedded/streams']) {
  test(`imports between the rooms of ${area || 'src'} point down`, () => {
    const imports = rustImports(area);
    assert.ok(imports.length > (area.includes('/') ? 5 : 50), `${imports.length} imports`);
    assert.deepStrictEqual(upward(LAYERS[area], imports), []);
  });
}

test('calls of methods of Consumer between its rooms point down', () => {
  const calls = methodCalls('engine/consumer', 'Consumer', ['self', 'consumer', 'strong']).filter(
    // State has structures of its own, whose methods can have names of methods of Consumer.
    ({ name }) => roomOf(name) !== 'state',
  );
  assert.ok(calls.length > 50, `${calls.length} calls`);
  assert.deepStrictEqual(upward(LAYERS['engine/consumer'], calls), []);
});

for (const area of ['facade', 'dashboard/server']) {
  test(`imports between the rooms of ${area} point down`, () => {
    const imports = scriptImports(area);
    assert.ok(imports.length > 30, `${imports.length} imports`);
    assert.deepStrictEqual(upward(LAYERS[area], imports), []);
  });
}

test('imports between the facade, the inspection, the dashboard and the command line point down', () => {
  const imports = scriptImports('');
  assert.ok(imports.length > 100, `${imports.length} imports`);
  assert.deepStrictEqual(upward(LAYERS.scripts, imports), []);
});

test('the page of the dashboard imports only its own files and the packages that are bundled', () => {
  const imports = filesIn('dashboard/page', '.js').flatMap((name) => {
    const code = fs.readFileSync(path.join(SRC, 'dashboard/page', name), 'utf8');
    return [...code.matchAll(/from '([^']+)'/g)].map(([, target]) => target);
  });
  const packages = new Set(imports.filter((target) => !/^\.\/[\w-]+\.js$/.test(target)));
  assert.deepStrictEqual([...packages].sort(), ['htm', 'preact', 'preact/hooks', 'uplot']);
});

test('the binding imports only listed types of redis_io', () => {
  const found = filesIn('binding', '.rs').flatMap((name) => redisImports(rustCode(path.join(SRC, 'binding', name))));
  assert.deepStrictEqual([...new Set(found)].sort(), Object.keys(BINDING_IMPORTS).sort());
});

test('an import of redis_io is read with its names', () => {
  const code = 'use crate::redis_io::keys::Keys;\nuse crate::redis_io::command::{Commands, Destination};\n';
  assert.deepStrictEqual(redisImports(code), ['keys::Keys', 'command::Commands', 'command::Destination']);
});

for (const area of ['engine', 'redis_io', 'embedded', 'binding']) {
  test(`imports between the files of ${area} form no circle`, () => {
    const imports = fileImports(area);
    const count = [...imports.values()].reduce((sum, files) => sum + files.size, 0);
    assert.ok(count > 25, `${count} imports`);
    assert.deepStrictEqual(inCircles(imports), []);
  });
}

test('a circle of imports is found', () => {
  const own = ['binding', 'bus'];
  const code = 'use super::options::{self, Options};\nuse crate::engine::bus::Bus;\n';
  assert.deepStrictEqual(modulePaths(code, own), [
    ['engine', 'bus', 'Bus'],
    ['binding', 'options'],
  ]);
  const imports = Object.entries({ a: ['b'], b: ['c'], c: ['b', 'd'], d: [], e: ['a'] });
  assert.deepStrictEqual(inCircles(new Map(imports.map(([name, files]) => [name, new Set(files)]))), ['b', 'c']);
});

test('an import that points up is found', () => {
  const layers = [['top'], ['left', 'right'], ['bottom']];
  const imports = [
    { name: 'bottom/a.rs', room: 'top' },
    { name: 'left.rs', room: 'right' },
    { name: 'unknown.rs', room: 'bottom' },
    { name: 'top/b.rs', room: 'bottom' },
  ];
  assert.deepStrictEqual(upward(layers, imports), [
    'bottom/a.rs uses top',
    'left.rs uses right',
    'unknown.rs uses bottom',
  ]);
});

test('time, chance and maps of the engine come from redis_io/world, so that a simulation decides them', () => {
  const outside =
    /std::time::(?:\{[^}]*)?Instant\b|\bSystemTime\b|Uuid::new_v4|collections::(?:\{[^}]*)?Hash(?:Map|Set)\b/;
  // Threads of their own, which no simulation has.
  const allowed = ['redis_io/connection/host_lookup.rs', 'engine/runtime/handoff.rs'];
  const found = filesIn('', '.rs')
    .filter((name) => !name.startsWith('binding/') && !name.startsWith('redis_io/world/') && !allowed.includes(name))
    .filter((name) => outside.test(rustCode(path.join(SRC, name))));
  assert.deepStrictEqual(found, []);
});

test('a choice between futures has an order, so that a simulation repeats it', () => {
  const found = filesIn('', '.rs').filter((name) => /select!\s*\{(?!\s*biased;)/.test(rustCode(path.join(SRC, name))));
  assert.deepStrictEqual(found, []);
});

test(`a folder of every room but the binding has at most ${MOST_FILES} files`, () => {
  const counts = new Map();
  for (const area of ['engine', 'redis_io', 'embedded', 'facade', 'cli', 'inspection', 'dashboard', 'nestjs']) {
    for (const name of [...filesIn(area, '.rs'), ...filesIn(area, '.js')]) {
      const folder = path.posix.join(area, path.posix.dirname(name));
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  }
  assert.deepStrictEqual(
    [...counts].filter(([, count]) => count > MOST_FILES),
    [],
  );
});
