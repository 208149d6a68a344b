'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const test = require('node:test');
const ts = require('typescript');
const { RedisServer } = require('../../support/redis-server.js');
const { NestFactory, PROJECT, hfxbus, moduleOf, transport } = require('../nest.js');

// The cases write into the project, which must not be this checkout.
assert.ok(process.env.HFXBUS_NEST_PROJECT, 'these cases need a project of npm run test:nestjs');

const VERSION = path.basename(PROJECT);
const EXAMPLE = path.resolve(__dirname, '..', '..', '..', 'examples', 'nestjs.ts');

test('the project has its version of Nest and the packed package', () => {
  const load = createRequire(path.join(PROJECT, 'package.json'));
  const manifest = path.join(PROJECT, 'node_modules', '@nestjs', 'microservices', 'package.json');
  assert.ok(JSON.parse(fs.readFileSync(manifest, 'utf8')).version.startsWith(`${VERSION}.`));
  assert.ok(load.resolve('hfxbus/nestjs').startsWith(path.join(PROJECT, 'node_modules', 'hfxbus')));
});

for (const [module, moduleResolution] of [
  ['NodeNext', 'NodeNext'],
  ['ESNext', 'Bundler'],
]) {
  test(`the example compiles with module ${module}`, () => {
    const file = path.join(PROJECT, 'example.mts');
    fs.copyFileSync(EXAMPLE, file);
    const program = ts.createProgram([file], {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      experimentalDecorators: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind[module],
      moduleResolution: ts.ModuleResolutionKind[moduleResolution],
      typeRoots: [path.resolve(__dirname, '..', '..', '..', 'node_modules', '@types')],
      types: ['node'],
    });
    const problems = ts.getPreEmitDiagnostics(program);
    assert.deepStrictEqual(
      problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
      [],
    );
  });
}

test('the health check of terminus reports both states of the indicator', { timeout: 30_000 }, async (t) => {
  const load = createRequire(path.join(PROJECT, 'package.json'));
  const { HealthCheckService, TerminusModule } = load('@nestjs/terminus');
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const connection = hfxbus.ConnectionManager.standalone({ ...redis.options, maxRetriesPerRequest: null });
  t.after(() => connection.stop({ force: true }));
  const application = await NestFactory.createApplicationContext(moduleOf({ imports: [TerminusModule] }), {
    logger: false,
  });
  t.after(() => application.close());
  const checks = await application.resolve(HealthCheckService);
  const indicator = new transport.HfxbusHealthIndicator(connection, { throws: VERSION === '10' });
  const check = () => checks.check([() => indicator.isHealthy('bus', { timeout: 200 })]);
  const up = await check();
  assert.deepStrictEqual([up.status, up.info.bus.status], ['ok', 'up']);
  redis.kill();
  const down = await check().then(assert.fail, (error) => error.getResponse());
  assert.deepStrictEqual([down.status, down.error.bus.status], ['error', 'down']);
});
