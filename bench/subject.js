'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { installPeer } = require('./peers.js');

const ADAPTERS = path.join(__dirname, 'adapters');

/** One of those that are compared: an adapter, and the package that it drives. */
class Subject {
  /** @param {string} name `ours`, or an adapter's name and a version: `hfxbus@2.2.0` */
  static async provide(name) {
    const [kind, wanted] = name.split('@');
    const file = path.join(ADAPTERS, `${kind}.js`);
    if (!fs.existsSync(file)) {
      const known = fs.readdirSync(ADAPTERS).map((one) => path.basename(one, '.js'));
      throw new Error(`there is no adapter ${kind}, only ${known.join(', ')}`);
    }
    const adapter = require(file);
    const folder = adapter.folder ? adapter.folder() : await installPeer(adapter.package, wanted ?? 'latest');
    const { version } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return new Subject(adapter.package ? `${kind}@${version}` : kind, file, folder, version);
  }

  constructor(name, adapter, folder, version) {
    this.name = name;
    this.version = version;
    /** What a process of its own needs to know. */
    this.files = { adapter, folder };
  }
}

module.exports = { Subject };
