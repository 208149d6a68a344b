'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const Redis = require('ioredis');
const { ours } = require('../support/cases.js');
const { documentedOptions } = require('../support/documented-options.js');
const { fakeNode, named } = require('../support/fake-cluster.js');
const { keys } = require('../support/keys.js');

const USERS = 'ann on >hers%2 ~* &* +@all'.split(' ');

/** URLs of a server, and options beside them. */
const TAKEN = {
  'a database and a name as parameters': ['redis://HOST?db=2&connectionName=me'],
  'a database in the path goes before a parameter': ['redis://HOST/3?db=2'],
  'a path of nothing but a slash': ['redis://HOST/?db=2'],
  'a database in the path goes before an option': ['redis://HOST/3', { db: 5 }],
  'a parameter goes before an option': ['redis://HOST?db=2', { db: 5, connectionName: 'mine' }],
  'a username and a password as parameters': ['redis://HOST?username=ann&password=hers%252'],
  'a password in front of the host goes before a parameter': ['redis://:hers%252@HOST?password=other&username=ann'],
  'a username as a parameter goes before one in front of the host': ['redis://other:hers%252@HOST?username=ann'],
  'a username in front of the host, where that is asked for': [
    'redis://ann:hers%252@HOST?allowUsernameInURI=true&username=other',
  ],
  'an address family that fits': ['redis://HOST?family=4'],
  'numbers, with which nothing changes': ['redis://HOST?maxRetriesPerRequest=3&noDelay=true&db=1'],
  'a plus in a parameter': ['redis://HOST?username=ann&password=hers%252&db=1&unknown=a+b'],
  'parameters that nobody knows': ['redis://HOST?ssl_cert_reqs=none&db=2&DB=5'],
  'a port beside the URL': ['redis://127.0.0.1/2', { port: 'PORT' }],
  'a port as a parameter': ['redis://127.0.0.1/2?port=PORT', { port: 1 }],
  'white space around it': ['  redis://HOST/2\r\n'],
};

/** URLs that cannot be used, and what the error names. */
const REFUSED = [
  ['redis://h?db=s3cret', /parameter db must be a whole number/],
  ['redis://h?db=2.5', /parameter db must be a whole number/],
  ['redis://h?db=', /parameter db must be a whole number/],
  ['redis://h?db=4294967296', /db must be a whole number from 0 to 2147483647/],
  ['redis://h?db=2&db=3', /parameter db is given twice/],
  ['redis://h?port=0', /port must be a whole number from 1 to 65535/],
  ['redis://h?family=5', /family must be 4, 6 or 0/],
  ['redis://h?protocol=3', /parameter protocol must be 2/],
  ['redis://h?lazyConnect=s3cret', /parameter lazyConnect must be true or false/],
  ['redis://h?lazyConnect', /parameter lazyConnect must be true or false/],
  ['redis://h?maxRetriesPerRequest=s3cret', /parameter maxRetriesPerRequest must be a whole number/],
  ['redis://h?connectTimeout=-1', /parameter connectTimeout must be a whole number/],
  ['redis://h?retryStrategy=s3cret', /parameter retryStrategy cannot be given in a URL/],
  ['redis://h?sentinels=s3cret', /parameter sentinels cannot be given in a URL/],
  ['rediss://h?tls=false', /parameter tls must not be false/],
  ['redis://:s3cret%ss@h', /its password has a % that begins no escape: write % as %25/],
  ['redis://:s3cret%E9@h', /its password has a % that begins no escape/],
  ['redis://s3cret%:p@h', /its username has a % that begins no escape/],
  ['redis://h?password=s3cret%ss', /parameter password has a % that begins no escape/],
  ['redis://h?s3cret%ss=1', /name of a parameter has a % that begins no escape/],
  ['redis://h/s3cret', /its database must be a whole number/],
  ['redis://h/3/4', /its database must be a whole number/],
  ['redis://h/-1', /its database must be a whole number/],
  ['redis://h:0', /port must be a whole number from 1 to 65535/],
  // Passwords with characters that are not escaped, so that a URL ends within them.
  ['redis://u:12/s3cret@h', /an @ behind its host.*percent escapes/],
  ['redis://u:12?s3cret@h', /an @ behind its host.*%3F/],
  ['redis://u:12#s3cret@h', /an @ behind its host.*percent escapes/],
  ['redis://u:s3cret/x@h', /must be of the form redis.*percent escapes/],
  ['http://u:s3cret@h', /must be of the form redis/],
  ['localhost:6379', /must be of the form redis/],
  ['redis:h', /must be of the form redis/],
  ['s3cret', /must be of the form redis/],
  ['unix://s3cret/path', /must be of the form unix:\/\/\/path/],
  ['unix://', /must be of the form unix:\/\/\/path/],
  ['unix:///tmp/s3cret%', /its path has a %/],
];

/** Returns the address of a client's connection, as the server reports it. */
async function seen(client) {
  const info = await client.client('INFO');
  const { name, db, user } = Object.fromEntries(
    info
      .trim()
      .split(' ')
      .map((pair) => pair.split(/=(.*)/s, 2)),
  );
  return { name, db, user };
}

for (const [kind, [url, options = {}]] of Object.entries(TAKEN)) {
  ours(`a URL means the same as in ioredis: ${kind}`, async (_, scene) => {
    const redis = await scene.server('--user', ...USERS);
    const filled = (text) => (typeof text === 'string' ? text.replace('HOST', `127.0.0.1:${redis.port}`) : text);
    const port = options.port === 'PORT' ? redis.port : undefined;
    const given = { ...options, ...(options.port && { port: port ?? options.port }) };
    const text = filled(url).replace('PORT', redis.port);
    const theirs = new Redis(text, given);
    scene.closing(() => theirs.disconnect());
    const expected = await seen(theirs);
    const { ConnectionManager } = scene.hfxbus;
    const managers = [ConnectionManager.standalone({ url: text, ...given })];
    if (options.port === undefined && options.db === undefined) managers.push(ConnectionManager.standalone(text));
    for (const manager of managers) {
      assert.deepStrictEqual(await seen(scene.adopt(manager).getClient('mine')), expected);
    }
  });
}

for (const [url, message] of REFUSED) {
  ours(`an invalid URL is rejected, and not repeated: ${url}`, (_, { hfxbus }) => {
    const { ConnectionManager } = hfxbus;
    const given = [() => ConnectionManager.standalone(url), () => ConnectionManager.standalone({ url })];
    given.push(() => ConnectionManager.nodes({ nodes: ['redis://h', url] }));
    given.push(() => ConnectionManager.nodes({ nodes: [{}, { url }] }));
    if (URL.canParse?.(url)) given.push(() => ConnectionManager.standalone(new URL(url)));
    for (const [at, call] of given.entries()) {
      assert.throws(call, (error) => {
        assert.ok(error instanceof TypeError, error.stack);
        assert.match(
          error.message,
          at === 2 || at === 3 ? /^url of nodes\[1\] cannot be used: / : /^url cannot be used: /,
        );
        assert.match(error.message, message);
        assert.ok(!error.stack.includes('s3cret'), error.stack);
        assert.strictEqual(error.cause, undefined);
        return true;
      });
    }
  });
}

ours('an object of the class URL is accepted in place of a URL string', async (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  const { port } = scene.redis;
  const url = new URL(`redis://127.0.0.1:${port}/2?connectionName=object`);
  // As those of another realm, or of a library, are.
  const like = { href: url.href, searchParams: url.searchParams };
  for (const given of [url, like]) {
    for (const manager of [
      ConnectionManager.standalone(given),
      ConnectionManager.standalone({ url: given, connectionName: 'other' }),
      new ConnectionManager({ standalone: given }),
      ConnectionManager.nodes({ nodes: [given] }),
      ConnectionManager.nodes({ nodes: [{ url: given, sequence: 3 }] }),
    ]) {
      const [client] = scene.adopt(manager).getClients('mine');
      assert.deepStrictEqual(await seen(client), { name: 'object', db: '2', user: 'default' });
    }
  }
  assert.strictEqual(url.href, `redis://127.0.0.1:${port}/2?connectionName=object`);
});

ours('URL parameters are options of the bus as well', async (_, scene) => {
  const url = `redis://127.0.0.1:${scene.redis.port}?keyPrefix=mine&stringNumbers=true`;
  const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(url));
  assert.strictEqual(connection.getKeyPrefix(), 'mine');
  assert.strictEqual(await connection.getClient('mine').strlen(scene.name('key')), '0');
  await scene.producer(connection).job('J').set('a', 1).push();
  assert.strictEqual(await scene.redis.call('GET', keys.payload('J', 'a', 'mine')), '1');
});

ours('a unix socket is named by its URL or by its path, with parameters', async (_, scene) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-urls-'));
  scene.closing(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, '100% mine#1.sock');
  await scene.server('--unixsocket', file);
  for (const url of [file, `unix://${encodeURI(file).replace('#', '%23')}`]) {
    const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(`${url}?db=2&connectionName=a%26b`));
    assert.deepStrictEqual(await seen(connection.getClient('mine')), { name: 'a&b', db: '2', user: 'default' });
  }
});

ours('a sequence in the URL of a node sets its position', (_, { hfxbus }) => {
  const nodes = ['redis://127.0.0.1:1?sequence=2', 'redis://127.0.0.1:2?sequence=1'];
  assert.throws(
    () => hfxbus.ConnectionManager.nodes({ nodes: [...nodes, 'redis://127.0.0.1:3?sequence=first'] }),
    /url of nodes\[2\] cannot be used: the parameter sequence must be a whole number/,
  );
});

ours('a missing or empty URL means the default', async (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  for (const url of [undefined, null, '', '  ']) {
    const connection = ConnectionManager.standalone({ ...scene.redis.options, url });
    assert.strictEqual(await scene.adopt(connection).getClient('mine').ping(), 'PONG');
  }
  for (const given of ['', '  ', undefined, null]) {
    const client = scene.adopt(ConnectionManager.standalone(given)).getClient('mine');
    assert.strictEqual(client.keyPrefix, 'hfxbus');
  }
});

ours('a host can be an IPv6 address, and errors show it as given', async (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  for (const url of ['redis://[::1]:1', 'redis://default:s3cret@[::1]:1/0', 'rediss://:s3cret@[::1]:1?family=6']) {
    const manager = scene.adopt(ConnectionManager.standalone({ url, retryStrategy: () => null }));
    const errors = scene.errors(manager.getClient('mine'));
    const reason = await manager
      .getClient('mine')
      .ping()
      .then(assert.fail, (error) => error);
    assert.match(errors[0].node, /^(\[::1\]|::1):1$/);
    assert.ok(![reason, ...errors].some(({ stack }) => stack.includes('s3cret')));
  }
});

ours('a Cluster’s nodes can be URLs with parameters, and objects of the class URL', async (_, scene) => {
  const { ConnectionManager } = scene.hfxbus;
  const node = await fakeNode(scene);
  const { port } = node.options;
  const parameters = '?password=s%25cret&username=ann&connectionName=me';
  for (const given of [
    `redis://127.0.0.1:${port}/0${parameters}`,
    new URL(`redis://127.0.0.1:${port}${parameters}`),
    { url: new URL(`redis://ann:s%25cret@127.0.0.1:${port}?connectionName=me`) },
  ]) {
    const begun = node.commands.length;
    await scene
      .adopt(ConnectionManager.cluster([given]))
      .getClient('mine')
      .call('get', 'k');
    const commands = node.commands.slice(begun);
    assert.ok(
      commands.some((words) => words.join(' ').toUpperCase() === 'AUTH ANN S%CRET'),
      JSON.stringify(commands),
    );
    assert.ok(
      commands.some((words) => words.join(' ').toUpperCase() === 'CLIENT SETNAME ME'),
      JSON.stringify(commands),
    );
  }
  assert.deepStrictEqual(named(node, 'SELECT'), []);
  for (const [given, message] of [
    [`redis://127.0.0.1:${port}/2`, /^startupNodes\[0\] cannot be used: a Cluster has no database but 0$/],
    [`redis://127.0.0.1:${port}?db=2`, /^startupNodes\[0\] cannot be used: a Cluster has no database but 0$/],
    [`redis://127.0.0.1:${port}?keyPrefix=mine`, /^startupNodes\[0\] cannot be used: keyPrefix is no option of/],
    ['unix:///tmp/redis.sock', /^startupNodes\[0\] cannot be used: path is no option of/],
    ['redis://:s3cret%ss@h', /^startupNodes\[0\] cannot be used: its password has a % (?!.*s3cret)/],
    [{ url: 'redis://h?family=5' }, /^startupNodes\[0\]\.url cannot be used: family must be 4, 6 or 0$/],
    [{ url: 5 }, /^startupNodes\[0\]\.url must be a string or a URL$/],
  ]) {
    assert.throws(() => ConnectionManager.cluster([given]), { name: 'TypeError', message });
  }
});

test('every documented option of a connection is a URL parameter, or is rejected as one', () => {
  const { ConnectionManager } = require('../../index.js');
  const options = documentedOptions('options of a connection').map(({ option }) => option);
  assert.ok(options.length > 20, options.join());
  for (const option of options) {
    const twice = `redis://h?${option}=1&${option}=1`;
    assert.throws(
      () => ConnectionManager.standalone(twice),
      new RegExp(`^TypeError: url cannot be used: .*\\b${option}\\b`),
    );
  }
});
