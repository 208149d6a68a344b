'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const certificates = require('../support/certificates.js');
const { hfxbus } = require('../support/command-line.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { TlsServer } = require('../support/tls-server.js');
const { everyVerb, fill } = require('./bus.js');

const trusted = certificates.authority('trusted');
const good = certificates.server(trusted);
const user = certificates.client(trusted);

describe('npx hfxbus over TLS', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-cli-tls-'));
  const file = (name, text) => {
    fs.writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const cacert = file('ca.crt', trusted.cert);
  const [cert, key] = [file('user.crt', user.cert), file('user.key', user.key)];
  let server;

  before(async () => {
    server = await TlsServer.start(good);
  });
  after(() => {
    server?.kill();
    fs.rmSync(folder, { recursive: true });
  });

  const urlOf = ({ tlsPort }) => `rediss://127.0.0.1:${tlsPort}`;

  it('works with the given authority', async () => {
    await fill((...words) => server.call(...words));
    const { nodes } = await everyVerb(['--url', urlOf(server), '--cacert', cacert]);
    assert.deepStrictEqual(nodes, [`127.0.0.1:${server.tlsPort}`]);
  });

  it('works on a Cluster', async (t) => {
    const start = async (...args) => {
      const node = await TlsServer.start(good, null, ...args);
      // Where clients are sent.
      await node.call('CONFIG', 'SET', 'cluster-announce-port', node.tlsPort);
      return node;
    };
    const cluster = await RedisCluster.start({ kind: { start } });
    t.after(() => cluster.kill());
    await fill((...words) => cluster.call(...words));
    const { nodes } = await everyVerb(['--url', urlOf(cluster.nodes[0]), '--cacert', cacert]);
    assert.deepStrictEqual(nodes.slice(0, 3).sort(), cluster.nodes.map(({ tlsPort }) => `127.0.0.1:${tlsPort}`).sort());
  });

  it('trusts no other authority, reports that without a password, and exits with 1', async () => {
    for (const words of [['doctor'], ['dead', 'list', 'letters'], ['watch']]) {
      const url = urlOf(server).replace('//', '//user:secret@');
      const { code, stdout, stderr } = await hfxbus([...words, '--url', url]);
      assert.deepStrictEqual([code, stdout], [1, ''], words.join(' '));
      assert.match(stderr, new RegExp(`^hfxbus: 127\\.0\\.0\\.1:${server.tlsPort}: .*certificate`));
      assert.doesNotMatch(stderr, /secret/);
    }
  });

  it('reports plain text to a TLS server, without the password', async () => {
    const { code, stdout, stderr } = await hfxbus(['inspect', '--url', `redis://:secret@127.0.0.1:${server.tlsPort}`]);
    assert.deepStrictEqual([code, stdout], [1, '']);
    assert.match(stderr, new RegExp(`^hfxbus: 127\\.0\\.0\\.1:${server.tlsPort}: `));
    assert.doesNotMatch(stderr, /secret/);
  });

  it('presents a client certificate', async (t) => {
    const strict = await TlsServer.start(good, trusted);
    t.after(() => strict.kill());
    const where = ['inspect', '--url', urlOf(strict), '--cacert', cacert];
    assert.strictEqual((await hfxbus(where)).code, 1);
    const { code, stdout } = await hfxbus([...where, '--cert', cert, '--key', key]);
    assert.deepStrictEqual([code, stdout], [0, 'There are no streams.\n']);
  });

  it('checks the certificate against the given name, as behind a tunnel', async (t) => {
    const inside = await TlsServer.start(certificates.server(trusted, { names: ['redis.internal'] }));
    t.after(() => inside.kill());
    const where = ['inspect', '--url', urlOf(inside), '--cacert', cacert];
    const refused = await hfxbus(where);
    assert.strictEqual(refused.code, 1);
    assert.strictEqual((await hfxbus([...where, '--sni', 'redis.internal'])).code, 0);
  });

  it('exits with 2 for unusable files, and for TLS options without TLS', async () => {
    for (const [more, text] of [
      [['--cacert', path.join(folder, 'nothing')], /--cacert: \S+nothing cannot be read: ENOENT/],
      [['--cacert', file('text', 'no PEM')], /tls\.ca /],
      [['--cert', cert], /tls\.key|tls\.cert/],
    ]) {
      const { code, stdout, stderr } = await hfxbus(['doctor', '--url', urlOf(server), ...more]);
      assert.deepStrictEqual([code, stdout], [2, ''], more.join(' '));
      assert.match(stderr, text);
      assert.match(stderr, /Usage: hfxbus doctor/);
    }
    const plain = await hfxbus(['doctor', '--url', `redis://:secret@127.0.0.1:${server.port}`, '--cacert', cacert]);
    assert.strictEqual(plain.code, 2);
    assert.match(plain.stderr, /^hfxbus: options of TLS need a rediss:\/\/ URL\n/);
    assert.doesNotMatch(plain.stderr, /secret/);
  });
});
