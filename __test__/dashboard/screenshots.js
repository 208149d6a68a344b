'use strict';

/* Makes the screenshots of docs/dashboard: `node __test__/dashboard/screenshots.js [seconds of traffic]`. */

const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { RedisServer } = require('../support/redis-server.js');
const { startBrowser } = require('./browser.js');
const { serve } = require('./served.js');
const { unhealthyBus } = require('./unhealthy-bus.js');

const FOLDER = path.resolve(__dirname, '..', '..', 'docs', 'dashboard');
const WIDE = { width: 1280, height: 800 };
const NARROW = { width: 390, height: 844 };
const PAGES = {
  overview: '#/',
  stream: '#/stream?bus=0&stream=orders',
  group: '#/group?bus=0&stream=orders&group=billing',
  job: '#/job?bus=0&id=held',
  'dead-letters': '#/letters',
  nodes: '#/nodes',
};

async function main(seconds) {
  const redis = await RedisServer.start('--appendonly', 'yes');
  const bus = await unhealthyBus(redis);
  const pause = (ms) => () => sleep(ms * (0.5 + Math.random()));
  await bus.consume('orders', 'billing', pause(60), { concurrency: 4 });
  await bus.consume('orders', 'shipping', pause(20), { concurrency: 8 });
  await bus.consume('orders', 'audit', pause(1), { concurrency: 8 });
  await bus.consume('thumbnails', 'resize', pause(220), { concurrency: 4 });
  await bus.consume('mails', 'newsletter', pause(5), { concurrency: 2 });
  bus.flow({ orders: 60, thumbnails: 16, mails: 0.6, transfers: 4 });
  const { url, close } = await serve(bus.connection, { public: true, actions: true, payloads: true, interval: 1000 });
  const { start, clean } = await startBrowser();
  const watcher = await start({ viewport: WIDE });
  await (await watcher.newPage()).goto(url);
  await sleep(seconds * 1000);
  fs.mkdirSync(FOLDER, { recursive: true });
  for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await start({ viewport, colorScheme });
      const page = await context.newPage();
      for (const [name, hash] of Object.entries(PAGES)) {
        await page.goto(`${url}/${hash}`);
        await page.waitForSelector('h1');
        await page.waitForLoadState('domcontentloaded');
        await sleep(1500);
        await page.screenshot({ path: path.join(FOLDER, `${name}-${size}-${colorScheme}.png`) });
      }
      await context.close();
    }
  }
  await watcher.close();
  clean();
  await close();
  await bus.stop();
  redis.kill();
}

main(Number(process.argv[2] ?? 120)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
