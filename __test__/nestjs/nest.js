'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');

/** Folder whose packages are used: a project of `npm run test:nestjs`, or this checkout with the newest Nest. */
const PROJECT = process.env.HFXBUS_NEST_PROJECT ?? path.resolve(__dirname, '..', '..');
const load = createRequire(path.join(PROJECT, 'package.json'));

load('reflect-metadata');
const common = load('@nestjs/common');
const { NestFactory } = load('@nestjs/core');
const microservices = load('@nestjs/microservices');
const rxjs = load('rxjs');
const hfxbus = load('hfxbus');
const transport = load('hfxbus/nestjs');

/**
 * Returns a controller whose handlers are functions. Programs in TypeScript use the decorators.
 * @param {Record<string, { message?: any, event?: any, handle: (data: any, context: any) => any }>} handlers
 */
function controllerOf(handlers) {
  class TestController {}
  const { prototype } = TestController;
  for (const [name, { message, event, handle }] of Object.entries(handlers)) {
    Object.defineProperty(prototype, name, { value: handle, writable: true, configurable: true });
    const pattern = message === undefined ? microservices.EventPattern(event) : microservices.MessagePattern(message);
    pattern(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
    microservices.Payload()(prototype, name, 0);
    microservices.Ctx()(prototype, name, 1);
  }
  common.Controller()(TestController);
  return TestController;
}

/** Returns a module with these controllers and providers. */
function moduleOf(metadata) {
  class TestModule {}
  common.Module(metadata)(TestModule);
  return TestModule;
}

/** Starts a microservice with handlers. */
async function startService(handlers, options) {
  const strategy = new transport.HfxbusServer(options);
  const app = await NestFactory.createMicroservice(moduleOf({ controllers: [controllerOf(handlers)] }), {
    strategy,
    logger: options.logger ?? false,
  });
  await app.listen();
  return { app, strategy };
}

module.exports = {
  PROJECT,
  common,
  hfxbus,
  microservices,
  moduleOf,
  rxjs,
  startService,
  transport,
  controllerOf,
  NestFactory,
};
