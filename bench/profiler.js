'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** Sampling frequency of threads, in Hz. */
const FREQUENCY = 997;

/** File in which Node writes the addresses of functions. */
const mapOf = (pid) => path.join(os.tmpdir(), `perf-${pid}.map`);

/** Profiles JavaScript with V8. */
class ScriptProfiler {
  #folder;

  /** @param {string} folder where a `.cpuprofile` of each role goes */
  constructor(folder) {
    this.#folder = folder;
  }

  /** Arguments of Node for a role, which writes its profile when it ends. */
  flags(role) {
    return ['--cpu-prof', `--cpu-prof-dir=${this.#folder}`, `--cpu-prof-name=${role}.cpuprofile`];
  }

  /** There is nothing to begin: a profile is of the whole process, warm-up included. */
  async watch() {
    return async () => {};
  }

  note() {}

  clear() {}
}

/** Profiles all threads with `perf`. */
class NativeProfiler {
  #folder;
  #pids = [];

  /** @param {string} folder where a `.perf` file of each role goes */
  constructor(folder) {
    this.#folder = folder;
  }

  /** Arguments of Node for a role, which give `perf` the names of its functions. */
  flags() {
    return ['--perf-basic-prof-only-functions', '--interpreted-frames-native-stack'];
  }

  /** Watches a process from now on. @returns what ends that */
  async watch(role, pid) {
    const file = path.join(this.#folder, `${role}.perf`);
    const options = ['-F', String(FREQUENCY), '-e', 'cpu-clock', '-g', '-p', String(pid), '-o', file];
    const child = spawn('perf', ['record', '-q', ...options], { stdio: 'ignore' });
    await once(child, 'spawn');
    return async () => {
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
    };
  }

  /** That a role has this process. */
  note(pid) {
    this.#pids.push(pid);
  }

  /** Removes the files of a profile. */
  clear() {
    for (const pid of this.#pids) fs.rmSync(mapOf(pid), { force: true });
  }
}

module.exports = { NativeProfiler, ScriptProfiler };
