'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { ROOT } = require('../command.js');

/** Packages of Cargo.lock with their checksums. */
const LOCKED =
  /^name = "(?<name>[^"]+)"\nversion = "(?<version>[^"]+)"\n(?:source = .*\n)?(?:checksum = "(?<checksum>\w+)")?/gm;

/**
 * Returns the bill of materials of what is published, in the format CycloneDX 1.5: the crates in the addon, and the packages of
 * npm that the package needs. The same lock files give the same text.
 *
 * @param {{ name: string, version: string, license: string }[]} crates
 */
function billOfMaterials(crates) {
  const main = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const lock = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  const checksums = new Map(
    [...fs.readFileSync(path.join(ROOT, 'Cargo.lock'), 'utf8').matchAll(LOCKED)].map(({ groups }) => [
      `${groups.name}@${groups.version}`,
      groups.checksum,
    ]),
  );
  const root = component('npm', { ...main, license: main.license });
  const components = [
    ...crates.map((crate) => component('cargo', crate, checksums.get(`${crate.name}@${crate.version}`))),
    ...packagesOf(lock).map((one) => component('npm', one)),
  ];
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(components))}`,
    version: 1,
    metadata: { component: root },
    components,
    dependencies: [{ ref: root['bom-ref'], dependsOn: components.map((one) => one['bom-ref']) }],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** Packages of npm that are installed along with this one. */
function packagesOf({ packages }) {
  return Object.entries(packages)
    .filter(([place, { dev, optional, peer }]) => place !== '' && !dev && !optional && !peer)
    .map(([place, { version, license }]) => ({ name: place.split('node_modules/').at(-1), version, license }));
}

function component(kind, { name, version, license }, checksum) {
  const purl = `pkg:${kind}/${name.replace('@', '%40')}@${version}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    ...(license && { licenses: [{ expression: license.replaceAll('/', ' OR ') }] }),
    ...(checksum && { hashes: [{ alg: 'SHA-256', content: checksum }] }),
  };
}

/** Returns an identifier that depends on a text alone, of the version for hashes. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-');
}

module.exports = { billOfMaterials };
