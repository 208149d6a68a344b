'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { installPeer, versionOf } = require('./peers.js');

const ADAPTERS = path.join(__dirname, 'adapters');

/** One of those that are compared: an adapter, and the package that it drives. */
class Subject {
  #lacks;

  /** @param {string} name `ours`, or an adapter's name, with a version unless it is to be its own: `hfxbus@2.2.0` */
  static async provide(name) {
    const [kind, wanted] = name.split('@');
    const file = path.join(ADAPTERS, `${kind}.js`);
    const adapter = require(file);
    const version = wanted ?? adapter.version;
    const folder = adapter.folder ? adapter.folder() : await installPeer(adapter.package, version, adapter.beside);
    return new Subject(adapter.package ? `${kind}@${versionOf(folder)}` : kind, file, folder, adapter);
  }

  /** Throws unless there is an adapter of that name. */
  static check(name) {
    const known = fs.readdirSync(ADAPTERS).map((file) => path.basename(file, '.js'));
    const [kind] = name.split('@');
    if (!known.includes(kind)) throw new Error(`there is no adapter ${kind}, only ${known.join(', ')}`);
  }

  constructor(name, file, folder, { server = 'redis', pace = 1, lacks = [] }) {
    this.name = name;
    this.version = versionOf(folder);
    /** Kind of its server. */
    this.server = server;
    /** The share of a backlog that is enough for it: one that is slow would take minutes over what others do in seconds. */
    this.pace = pace;
    this.#lacks = lacks;
    /** Properties that its process needs. */
    this.files = { adapter: file, folder };
  }

  /** Returns true if the subject supports a case. */
  plays(scenario, { id }) {
    return !this.#lacks.includes(scenario) && !this.#lacks.includes(`${scenario}/${id}`);
  }
}

module.exports = { ADAPTERS, Subject };
