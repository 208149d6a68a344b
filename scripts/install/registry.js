'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { ROOT } = require('../command.js');

/**
 * A registry with the packages for platforms, as if they were published: those that were not built are in it by name, for
 * package managers that look at all of them before they choose.
 *
 * @param {string} dist the folder with the tarballs
 * @returns {Promise<{ url: string, stop(): void }>}
 */
async function startRegistry(dist) {
  const packages = new Map(
    fs.readdirSync(path.join(ROOT, 'npm')).map((folder) => {
      const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'npm', folder, 'package.json'), 'utf8'));
      return [manifest.name, manifest];
    }),
  );
  const server = http.createServer((request, response) => {
    const asked = decodeURIComponent(request.url.slice(1));
    const file = path.join(dist, path.basename(asked));
    if (packages.has(asked)) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(describe(packages.get(asked), dist, url)));
    } else if (asked.endsWith('.tgz') && fs.existsSync(file)) fs.createReadStream(file).pipe(response);
    else response.writeHead(404).end('{}');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url, stop };
}

/** Returns the registry's document of a package. */
function describe(manifest, dist, url) {
  const { name, version } = manifest;
  const file = `${name.slice(1).replace('/', '-')}-${version}.tgz`;
  const content = fs.existsSync(path.join(dist, file)) ? fs.readFileSync(path.join(dist, file)) : '';
  const hash = (algorithm, encoding) => createHash(algorithm).update(content).digest(encoding);
  const tarball = { tarball: url + file, shasum: hash('sha1', 'hex'), integrity: `sha512-${hash('sha512', 'base64')}` };
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist: tarball } },
    time: { [version]: '2020-01-01T00:00:00.000Z' },
  };
}

module.exports = { startRegistry };
