'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { ROOT } = require('./documents.js');
const { install } = require('./installed.js');

const NAMES = [
  'ConnectionManager',
  'Job',
  'Producer',
  'Consumer',
  'HFXBUS_ID_SIZE',
  'DISTRIBUTED_ROUTING',
  'withValue',
  'setErrorKind',
  'UnrecoverableError',
  'DeadLetters',
  'defineStream',
  'ContractError',
  'eventStream',
  'gracefulShutdown',
];

describe('the packed package', () => {
  let folder;
  let installed;

  before(() => {
    folder = install();
    installed = path.join(folder, 'node_modules', 'hfxbus');
  });

  it('contains the files to run and to read, and none of the build and the tests', () => {
    const files = fs
      .readdirSync(installed)
      .map((name) => (name.endsWith('.node') ? '*.node' : name))
      .sort();
    assert.deepStrictEqual(files, [
      '*.node',
      'API.md',
      'CHANGELOG.md',
      'LICENSE',
      'MIGRATION.md',
      'README.md',
      'THIRD-PARTY-NOTICES.md',
      'dashboard.d.ts',
      'dashboard.js',
      'docs',
      'index.d.ts',
      'index.js',
      'native.d.ts',
      'native.js',
      'nestjs.d.ts',
      'nestjs.js',
      'opentelemetry.d.ts',
      'opentelemetry.js',
      'package.json',
      'redis-commands.d.ts',
      'src',
      'testing.d.ts',
      'testing.js',
    ]);
    assert.deepStrictEqual(fs.readdirSync(path.join(installed, 'src')).sort(), [
      'cli',
      'dashboard',
      'facade',
      'inspection',
      'nestjs',
    ]);
    assert.deepStrictEqual(fs.readdirSync(path.join(installed, 'src', 'dashboard')).sort(), ['assets', 'server']);
    assert.ok(!fs.existsSync(path.join(installed, 'docs', 'dashboard')), 'screenshots');
  });

  it('runs nothing when it is installed, and needs nothing but its emitter and what prints with DEBUG', () => {
    const { scripts, dependencies } = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8'));
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) assert.ok(!(name in scripts), name);
    assert.deepStrictEqual(Object.keys(dependencies), ['debug', 'eventemitter3']);
  });

  it('gives CommonJS its names in their order, and that it is a module', () => {
    assert.deepStrictEqual(
      evaluate('const all = require("hfxbus"); console.log(JSON.stringify([Object.keys(all), all.__esModule]))'),
      [NAMES, true],
    );
  });

  it('gives ES modules the same names', () => {
    const names = evaluate('import("hfxbus").then((all) => console.log(JSON.stringify(Object.keys(all))))');
    assert.deepStrictEqual(
      names.filter((name) => !['default', '__esModule', 'module.exports'].includes(name)).sort(),
      [...NAMES].sort(),
    );
  });

  it('gives what is for tests by a name of its own, to CommonJS and to ES modules', () => {
    const program = `
      const { EmbeddedRedis: required } = require("hfxbus/testing");
      import("hfxbus/testing").then(async ({ EmbeddedRedis }) => {
        const redis = await EmbeddedRedis.start();
        console.log(JSON.stringify([EmbeddedRedis === required, redis.url.startsWith("redis://127.0.0.1:")]));
        await redis.stop();
      });`;
    assert.deepStrictEqual(evaluate(program), [true, true]);
  });

  it('gives the dashboard by a name of its own, with the files of its page', () => {
    const program = `
      const { ConnectionManager } = require("hfxbus");
      const { createDashboard } = require("hfxbus/dashboard");
      const connection = ConnectionManager.standalone({ lazyConnect: true });
      const { fetch, close } = createDashboard(connection, { public: true });
      (async () => {
        const page = await (await fetch(new Request("http://host/"))).text();
        const names = [...page.matchAll(/assets.[\\w.]+/g)].map(([name]) => name);
        const files = await Promise.all(names.map((name) => fetch(new Request("http://host/" + name))));
        console.log(JSON.stringify(files.map(({ status }) => status)));
        await close();
      })();`;
    assert.deepStrictEqual(evaluate(program), [200, 200, 200]);
  });

  it('gives the middleware for OpenTelemetry by a name of its own, which alone needs the API of OpenTelemetry', () => {
    const missing = `
      require("hfxbus");
      try { require("hfxbus/opentelemetry") } catch ({ code, message }) {
        console.log(JSON.stringify([code, message.split("'")[1]]));
      }`;
    assert.deepStrictEqual(evaluate(missing), ['MODULE_NOT_FOUND', '@opentelemetry/api']);
    const link = path.join(folder, 'node_modules', '@opentelemetry');
    fs.symlinkSync(path.join(ROOT, 'node_modules', '@opentelemetry'), link);
    const program = `
      const required = require("hfxbus/opentelemetry");
      import("hfxbus/opentelemetry").then(({ openTelemetry }) => {
        const isSame = openTelemetry === required.openTelemetry;
        console.log(JSON.stringify([Object.keys(required), isSame, typeof openTelemetry()]));
      });`;
    assert.deepStrictEqual(evaluate(program), [['openTelemetry'], true, 'function']);
    fs.rmSync(link);
  });

  it('has optional peer dependencies only', () => {
    const { peerDependencies, peerDependenciesMeta } = require(path.join(installed, 'package.json'));
    const names = ['@nestjs/common', '@nestjs/microservices', '@opentelemetry/api', 'rxjs'];
    assert.deepStrictEqual(Object.keys(peerDependencies), names);
    assert.deepStrictEqual(peerDependenciesMeta, Object.fromEntries(names.map((name) => [name, { optional: true }])));
  });

  it('has the transport for NestJS, which needs the packages of Nest, and nothing else does', () => {
    const program = `
      try { require("hfxbus/nestjs") } catch ({ code, message }) {
        console.log(JSON.stringify([code, /@nestjs.microservices/.test(message)]));
      }`;
    assert.deepStrictEqual(evaluate(program), ['MODULE_NOT_FOUND', true]);
  });

  it('lets nothing be loaded but that, and what it says of itself', () => {
    const load = (name) =>
      evaluate(`try { require("${name}"); console.log(1) } catch ({ code }) { console.log(JSON.stringify(code)) }`);
    assert.strictEqual(load('hfxbus/package.json'), 1);
    assert.strictEqual(load('hfxbus/src/facade/api/job.js'), 'ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('lets a program that only loads it end', () => {
    assert.strictEqual(evaluate('require("hfxbus"); console.log(1)'), 1);
  });

  it('declares exactly the values that are there', () => {
    const ts = require('typescript');
    const program = ts.createProgram([path.join(ROOT, 'index.d.ts')], {});
    const checker = program.getTypeChecker();
    const module = checker.getSymbolAtLocation(program.getSourceFile(path.join(ROOT, 'index.d.ts')));
    const values = checker.getExportsOfModule(module).filter(({ flags }) => flags & ts.SymbolFlags.Value);
    assert.deepStrictEqual(values.map(({ name }) => name).sort(), [...NAMES].sort());
  });

  /** Returns the output of a program with the installed package. */
  function evaluate(program) {
    return JSON.parse(
      execFileSync(process.execPath, ['-e', program], { cwd: folder, encoding: 'utf8', timeout: 20_000 }),
    );
  }
});
