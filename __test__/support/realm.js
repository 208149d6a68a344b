'use strict';

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

/** Globals that a test runner hands to the global object of each test file. */
const HANDED = { AbortController, AbortSignal, Buffer, console, performance, process };

/**
 * Loads a file and its dependencies with another global object, as jest does for each test file. Node's own modules and addons
 * come from outside.
 */
function loadInRealm(file, globals = {}) {
  const timers = { clearInterval, clearTimeout, queueMicrotask, setImmediate, setInterval, setTimeout };
  const context = vm.createContext({ ...HANDED, ...timers, ...globals });
  const modules = new Map();
  const load = (name) => {
    if (!path.isAbsolute(name) || name.endsWith('.node')) return require(name);
    const known = modules.get(name);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(name, module);
    const source = fs.readFileSync(name, 'utf8');
    if (name.endsWith('.json')) {
      module.exports = JSON.parse(source);
      return module.exports;
    }
    const parameters = ['exports', 'require', 'module', '__filename', '__dirname'];
    const run = vm.compileFunction(source, parameters, { parsingContext: context, filename: name });
    const { resolve } = createRequire(name);
    const required = Object.assign((wanted) => load(resolve(wanted)), { resolve });
    run.call(module.exports, module.exports, required, module, name, path.dirname(name));
    return module.exports;
  };
  return load(file);
}

module.exports = { loadInRealm };
