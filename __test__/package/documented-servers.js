'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const certificates = require('../support/certificates.js');
const { RedisCluster } = require('../support/redis-cluster.js');
const { RedisServer, freePort } = require('../support/redis-server.js');
const { Sentinel } = require('../support/sentinel-group.js');
const { TlsServer } = require('../support/tls-server.js');

/**
 * The servers that documented programs are about.
 * @returns {Promise<{ variables: Record<string, string>, stop: () => void }>} the variables by which they find them
 */
async function startServers() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-documents-'));
  const authority = certificates.authority('documents');
  const [redis, tls, cluster] = await Promise.all([
    RedisServer.start(),
    TlsServer.start(certificates.server(authority)),
    RedisCluster.start(),
  ]);
  const sentinel = new Sentinel(await freePort());
  sentinel.configure(`sentinel monitor main 127.0.0.1 ${redis.port} 1`);
  await sentinel.start();
  const file = path.join(folder, 'ca.crt');
  fs.writeFileSync(file, authority.cert);
  const variables = {
    REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    REDIS_TLS_URL: `rediss://127.0.0.1:${tls.tlsPort}`,
    REDIS_CA_FILE: file,
    REDIS_CLUSTER: cluster.primaries.map(({ port }) => `127.0.0.1:${port}`).join(','),
    REDIS_SENTINELS: `127.0.0.1:${sentinel.port}`,
  };
  const stop = () => {
    for (const server of [redis, tls, cluster, sentinel]) server.kill();
    fs.rmSync(folder, { recursive: true });
  };
  return { variables, stop };
}

module.exports = { startServers };
