'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { keep, ours } = require('../support/cases.js');
const certificates = require('../support/certificates.js');
const { FakeSentinel } = require('../support/fake-sentinel.js');
const { TlsServer } = require('../support/tls-server.js');
const { until } = require('../support/wait-until.js');

const trusted = certificates.authority('trusted');
const unknown = certificates.authority('unknown');
const good = certificates.server(trusted);
const alone = certificates.selfSigned();
const user = certificates.client(trusted);
const stranger = certificates.client(unknown);

/** Speaks TLS, and asks for the certificates of clients, respectively. */
let server;
let strict;

test.before(async () => {
  [server, strict] = await Promise.all([TlsServer.start(good), TlsServer.start(good, trusted)]);
});
test.after(() => {
  for (const one of [server, strict]) one?.kill();
});

function open(scene, to, tls, options) {
  return scene.adopt(scene.hfxbus.ConnectionManager.standalone({ ...to.options, tls, ...options }));
}

/** The server shows a certificate for the time of a case. */
async function showing(t, identity) {
  await server.rotate(identity);
  t.after(() => server.rotate(good));
}

/** Returns the error of a command on a connection. */
function refusal(connection) {
  return connection
    .getClient('mine')
    .call('PING')
    .then(
      (reply) => assert.fail(`it got ${reply}`),
      (error) => error,
    );
}

/** Returns the number of commands of other clients on a server. */
async function commands(of) {
  const info = await of.call('INFO', 'commandstats');
  const calls = [...info.matchAll(/cmdstat_(?!info|config|client)([^:]+):calls=(\d+)/g)];
  return calls.reduce((sum, [, , count]) => sum + Number(count), 0);
}

ours('jobs and completions use TLS, with the given authority', async (_, scene) => {
  const connection = open(scene, server, { ca: trusted.cert });
  const done = [];
  await scene.play(async (job) => done.push(await job.get('n', false).pull()), { connection });
  const producer = scene.producer(connection);
  const job = producer.job();
  const big = 'x'.repeat(300_000);
  await job.set('n', big).push();
  const sent = await producer.send({ stream: scene.stream, job, waitFor: [scene.group] });
  await sent.finished();
  assert.deepStrictEqual(done, [{ n: big }]);
  await connection.stop();
});

/** Certificate of the server, trust of the client, and the expected error. */
const REFUSED = [
  ['an authority that is not trusted', () => good, { ca: unknown.cert }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['an authority that nobody in the world trusts', () => good, {}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['a certificate that signed itself', () => alone, { ca: trusted.cert }, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [
    'an authority in the chain that is not trusted',
    () => ({ cert: good.cert + trusted.cert, key: good.key }),
    { ca: unknown.cert },
    'SELF_SIGNED_CERT_IN_CHAIN',
  ],
  [
    'an expired certificate',
    () => certificates.server(trusted, { isExpired: true }),
    { ca: trusted.cert },
    'CERT_HAS_EXPIRED',
  ],
  [
    'a certificate for another host',
    () => certificates.server(trusted, { names: ['example.org'] }),
    { ca: trusted.cert },
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ],
  [
    'a name that was asked for and is not there',
    () => good,
    { ca: trusted.cert, servername: 'redis.example.org' },
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ],
];

for (const [what, shown, tls, code] of REFUSED) {
  ours(`${what} is refused: ${code}`, async (t, scene) => {
    await showing(t, shown());
    const before = await commands(server);
    const error = await refusal(open(scene, server, tls));
    assert.deepStrictEqual([error.code, error.node], [code, `127.0.0.1:${server.tlsPort}`]);
    assert.strictEqual(await commands(server), before, 'nothing was sent');
  });
}

ours('rediss:// uses TLS and trusts only public authorities', async (_, scene) => {
  const connection = scene.hfxbus.ConnectionManager.standalone(`rediss://127.0.0.1:${server.tlsPort}`);
  assert.strictEqual((await refusal(scene.adopt(connection))).code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
});

keep('NODE_EXTRA_CA_CERTS is trusted if no other authority is given', async (t, scene) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-authorities-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'extra.crt');
  fs.writeFileSync(file, unknown.cert + trusted.cert);
  const child = scene.child(
    async ({ hfxbus, options, data, print }) => {
      for (const tls of data) {
        const connection = hfxbus.ConnectionManager.standalone({ ...options, tls, retryStrategy: null });
        const client = connection.getClient('mine');
        client.on('error', () => {});
        const isTrusted = await client.ping().then(
          () => true,
          () => false,
        );
        print(isTrusted);
      }
      process.exit();
    },
    { options: server.options, data: [{}, { ca: unknown.cert }], variables: { NODE_EXTRA_CA_CERTS: file } },
  );
  await child.exit();
  assert.deepStrictEqual(child.printed, [[true], [false]], child.stderr);
});

ours('a URL enables TLS by its scheme or by a parameter, and tls beside it sets the details', async (_, scene) => {
  const place = `default:any@127.0.0.1:${server.tlsPort}/0`;
  for (const url of [`rediss://${place}`, `valkeys://${place}`, `redis+tls://${place}`, `redis://${place}?tls=true`]) {
    for (const [given, code] of [
      [url, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
      [{ url: new URL(url), tls: { ca: trusted.cert } }, null],
    ]) {
      const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(given));
      const outcome = await connection
        .getClient('mine')
        .call('PING')
        .catch((error) => error);
      assert.strictEqual(outcome.code ?? null, code, `${url}: ${outcome}`);
    }
  }
});

ours('rediss:// trusts NODE_EXTRA_CA_CERTS, and ignores a file that cannot be read', async (t, scene) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-authorities-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.writeFileSync(path.join(folder, 'extra.crt'), trusted.cert);
  for (const [name, expected] of [
    ['extra.crt', 'PONG'],
    ['nothing.crt', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ]) {
    const child = scene.child(
      async ({ hfxbus, options, print }) => {
        const connection = hfxbus.ConnectionManager.standalone(`rediss://${options.host}:${options.port}`);
        print(
          await connection
            .getClient('mine')
            .ping()
            .catch(({ code }) => code),
        );
        await connection.stop();
      },
      { options: server.options, variables: { NODE_EXTRA_CA_CERTS: path.join(folder, name) } },
    );
    await child.exit();
    assert.deepStrictEqual(child.printed, [[expected]], child.stderr);
  }
});

ours('rejectUnauthorized false, a matching servername and a given certificate are accepted', async (t, scene) => {
  const ping = (tls) => open(scene, server, tls).getClient('mine').call('PING');
  assert.strictEqual(await ping({ rejectUnauthorized: false }), 'PONG');
  assert.strictEqual(await ping({ ca: [unknown.cert, Buffer.from(trusted.cert)], servername: 'localhost' }), 'PONG');
  await showing(t, alone);
  assert.strictEqual(await ping({ ca: alone.cert }), 'PONG');
  assert.strictEqual(
    (await refusal(open(scene, server, { ca: alone.cert, servername: 'example.org' }))).code,
    'ERR_TLS_CERT_ALTNAME_INVALID',
  );
});

ours('a client certificate is sent on request, as text, as bytes or in an array', async (_, scene) => {
  const ca = trusted.cert;
  for (const { cert, key } of [
    user,
    { cert: Buffer.from(user.cert), key: Buffer.from(user.key) },
    { cert: [user.cert], key: [{ pem: user.key }] },
  ]) {
    assert.strictEqual(await open(scene, strict, { ca, cert, key }).getClient('mine').call('PING'), 'PONG');
  }
});

ours(
  'a client without a certificate, or with one of another authority, gets the reason of its refusal',
  async (_, scene) => {
    const ca = trusted.cert;
    for (const enableReadyCheck of [true, false]) {
      const missing = await refusal(open(scene, strict, { ca }, { enableReadyCheck }));
      assert.strictEqual(missing.code, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
      const wrong = await refusal(
        open(scene, strict, { ca, cert: stranger.cert, key: stranger.key }, { enableReadyCheck }),
      );
      assert.strictEqual(wrong.code, 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA');
    }
  },
);

ours('an error names plain text to a port for TLS, and TLS to a port for plain text', async (_, scene) => {
  const fails = async (options) => {
    const once = { host: '127.0.0.1', maxRetriesPerRequest: 0, ...options };
    const connection = scene.adopt(scene.hfxbus.ConnectionManager.standalone(once));
    const error = await scene
      .producer(connection)
      .job()
      .set('a', 1)
      .push()
      .then(assert.fail, (reason) => reason);
    return [error.code, error.cause.code, error.message.split('Last error: ')[1]];
  };
  const plain = await fails({ port: server.options.port });
  const hint = 'read ECONNRESET: the server hung up without a word; does it want TLS on this port?';
  assert.deepStrictEqual(plain, ['MAX_RETRIES', 'ECONNRESET', hint]);
  // A Redis answers if there is a line feed in what TLS begins with, and else waits for one.
  const mute = net.createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise((resolve) => mute.listen(0, '127.0.0.1', resolve));
  scene.closing(() => mute.close());
  const silent = await fails({ port: mute.address().port, tls: {}, connectTimeout: 300 });
  const late = 'connect ETIMEDOUT: the server has not answered the TLS handshake; is this a port for TLS?';
  assert.deepStrictEqual(silent, ['MAX_RETRIES', 'ETIMEDOUT', late]);
  const alerting = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 10])));
  });
  await new Promise((resolve) => alerting.listen(0, '127.0.0.1', resolve));
  scene.closing(() => alerting.close());
  const alerted = 'What answers there speaks TLS: the option tls is needed, or rediss:// in the URL.';
  assert.deepStrictEqual(await fails({ port: alerting.address().port }), ['MAX_RETRIES', 'PROTOCOL_ERROR', alerted]);
});

ours('a server that speaks plain text gets nothing but TLS', async (t, scene) => {
  const got = [];
  const plain = net.createServer((socket) => {
    socket.on('data', (chunk) => {
      got.push(chunk);
      socket.write('-ERR unknown command\r\n');
    });
    socket.on('error', () => {});
  });
  await new Promise((resolve) => plain.listen(0, '127.0.0.1', resolve));
  t.after(() => plain.close());
  const to = { options: { host: '127.0.0.1', port: plain.address().port } };
  const error = await refusal(open(scene, to, { ca: trusted.cert }, { password: 'secret' }));
  assert.strictEqual(error.code, 'ERR_SSL_WRONG_VERSION_NUMBER');
  const bytes = Buffer.concat(got);
  assert.strictEqual(got[0][0], 0x16, 'the type of a TLS handshake');
  assert.ok(!bytes.includes('secret') && !bytes.includes('AUTH') && !bytes.includes('PING'));
});

ours(
  'a certificate is checked at each connection: refused once it is bad, and taken again, without restart',
  async (t, scene) => {
    const connection = open(scene, server, { ca: [trusted.cert, unknown.cert] });
    const done = [];
    const consumer = await scene.play(async (job) => done.push(job.id), { connection });
    const errors = scene.errors(consumer);
    await showing(t, certificates.server(trusted, { isExpired: true }));
    await until(() => errors.some(({ message }) => message === 'certificate has expired'), { what: 'a refusal' });
    assert.strictEqual((await refusal(connection)).code, 'CERT_HAS_EXPIRED');
    // Of an authority that was not in use before.
    await server.rotate(certificates.server(unknown));
    await until(
      () =>
        connection
          .getClient('mine')
          .call('PING')
          .catch(() => false),
      { what: 'the connection' },
    );
    await scene.add('one', { redis: server });
    await until(() => done.length === 1, { what: 'the consumer to read on' });
    assert.strictEqual(errors.filter(({ message }) => message === 'certificate has expired').length, 1);
  },
);

ours('sentinels and the Redis that they name can both use TLS, each with its own options', async (t, scene) => {
  const sentinels = certificates.authority('of sentinels');
  const fake = await FakeSentinel.start((made) => {
    made.identity = certificates.server(sentinels);
    made.primary = { host: '127.0.0.1', port: server.tlsPort };
  });
  t.after(() => fake.kill());
  const find = (options) => {
    const tls = { tls: { ca: trusted.cert }, enableTLSForSentinelMode: true, sentinelTLS: { ca: sentinels.cert } };
    const given = { sentinels: [fake.address], name: 'main', ...tls, ...options };
    return scene.adopt(scene.hfxbus.ConnectionManager.standalone(given));
  };
  assert.strictEqual(await find({}).getClient('mine').call('PING'), 'PONG');
  assert.strictEqual((await refusal(find({ tls: { ca: unknown.cert } }))).code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  const wary = find({ sentinelTLS: { ca: trusted.cert } });
  assert.strictEqual((await refusal(wary)).code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
});
