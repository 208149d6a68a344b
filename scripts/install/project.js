'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ROOT, run } = require('../command.js');

/** Maximum time of an installation, or of a program in it, in ms. */
const PATIENCE = 120_000;

/** Programs that package managers, bundlers and runners need besides Node. cargo is not among them. */
const PROGRAMS = ['sh', 'env', 'basename', 'cp', 'dirname', 'getconf', 'ps', 'sed', 'uname'];

/** Variables that npm sets for its scripts, which would change the behaviour of another npm. */
const OF_NPM = /^(npm_(package|lifecycle|command|execpath|node_execpath|config_(local_)?prefix)|INIT_CWD$|NODE_PATH$)/;

/** Dependencies of a project besides this package, with the versions of this checkout. */
const DEVELOPMENT = ['tsx', 'typescript', 'esbuild', '@types/node'];

/** A folder in which the package is installed as users do it, and a machine without Rust as far as programs in it see. */
class Project {
  /**
   * @param {object} manager one of the package managers
   * @param {object} source `tarballs`, the `registry` with our packages for platforms, and the `standard` one for all others
   * @param {number} port of Redis
   */
  constructor(manager, source, port) {
    this.manager = manager;
    /** Folder of the project, removed by `remove()` or at the end of this process. */
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-install-'));
    process.once('exit', this.remove);
    const own = Object.entries(process.env).filter(([name]) => !OF_NPM.test(name));
    const redis = { REDIS_HOST: '127.0.0.1', REDIS_PORT: `${port}`, REDIS_URL: `redis://127.0.0.1:${port}` };
    /** The variables of its programs. */
    this.env = { ...Object.fromEntries(own), ...redis, PATH: this.#programs() };
    if (!spawnSync('cargo', { env: this.env }).error) throw new Error('there is a cargo, and there is to be none');
    const files = { 'package.json': JSON.stringify(manifest(manager, source)), ...manager.settings(source) };
    for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(this.folder, name), content);
  }

  remove = () => fs.rmSync(this.folder, { recursive: true, force: true });

  /** Lets the package manager install what the project needs. */
  async install() {
    await this.node(this.manager.args);
    const options = this.manager.nodeOptions?.(this.folder);
    if (options) this.env.NODE_OPTIONS = options;
  }

  /** Runs Node; resolves with what it printed, and rejects if it failed. */
  async node(args) {
    const options = { cwd: this.folder, env: this.env, show: false, timeout: PATIENCE, killSignal: 'SIGKILL' };
    const { code, output } = await run(process.execPath, args, options);
    if (code !== 0) throw new Error(`it ended with code ${code}:\n${output.trim()}`);
    return output;
  }

  /** The addons inside a self-contained package. */
  addons() {
    const installed = path.join(this.folder, 'node_modules', 'hfxbus');
    const names = fs.readdirSync(installed).filter((name) => name.endsWith('.node'));
    return names.map((name) => path.join(installed, name));
  }

  /** A folder with the programs that there are. */
  #programs() {
    const folder = path.join(this.folder, '.bin');
    fs.mkdirSync(folder);
    const folders = process.env.PATH.split(path.delimiter);
    const found = PROGRAMS.map((name) =>
      folders.map((one) => path.join(one, name)).find((file) => fs.existsSync(file)),
    );
    for (const file of [process.execPath, ...found].filter(Boolean)) {
      fs.symlinkSync(file, path.join(folder, path.basename(file)));
    }
    return folder;
  }
}

function manifest({ selfContained }, { tarballs }) {
  const tarball = selfContained ? tarballs.selfContained : tarballs.main;
  const versions = DEVELOPMENT.map((name) => [
    name,
    JSON.parse(fs.readFileSync(path.join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version,
  ]);
  return {
    name: 'project',
    private: true,
    dependencies: { hfxbus: `file:${tarball}` },
    devDependencies: Object.fromEntries(versions),
  };
}

module.exports = { Project };
