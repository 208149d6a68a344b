'use strict';

/* The pages in a browser; `npm run test:dashboard` has more. */

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { keys } = require('../support/keys.js');
const { RedisServer } = require('../support/redis-server.js');
const { until } = require('../support/wait-until.js');
const { checkAccessibility } = require('./accessibility.js');
const { startBrowser } = require('./browser.js');
const { serve } = require('./served.js');
const { unhealthyBus } = require('./unhealthy-bus.js');
const { Visitor } = require('./visitor.js');

const PATIENCE = { timeout: 30_000 };
const HOSTILE = `<img src=x onerror="alert(1)">"'&</script><script>alert(2)</script>`;
/** A partitioned stream. */
const PARCELS = { stream: 'parcels', partitions: 4 };

describe('the dashboard in a browser', () => {
  let redis;
  let bus;
  let served;
  let browser;

  before(async () => {
    redis = await RedisServer.start();
    bus = await unhealthyBus(redis);
    for (let at = 0; at < 8; at++) await bus.producer.send({ ...PARCELS, job: bus.producer.job() });
    for (const number of [0, 1, 2, 3]) {
      await redis.call('XGROUP', 'CREATE', keys.stream(`parcels#${number}`), keys.group('depot'), '0');
    }
    served = await serve(bus.connection, { public: true, actions: true, payloads: true, interval: 500 });
    browser = await startBrowser();
  });

  after(async () => {
    browser?.clean();
    await served?.close();
    await bus?.stop();
    redis?.kill();
  });

  it('shows every page with the figures of Redis, accessible, and without a complaint of the browser', async () => {
    const context = await browser.start({ bypassCSP: true });
    try {
      const visitor = await Visitor.open(context, served.url);
      const { page } = visitor;
      await visitor.go('', 'Overview');
      await page.getByText('archive of mails is stuck').waitFor();
      await checkAccessibility(page, 'overview');
      const pending = await redis.call('XPENDING', keys.stream('mails'), keys.group('mailer'));
      const shown = await visitor.row('Streams and groups', 'mails', 'mailer');
      assert.strictEqual(shown.Pending, String(pending[0]));
      const pages = [
        ['stream?bus=0&stream=mails', 'Stream mails', 'Servers'],
        ['group?bus=0&stream=mails&group=mailer', 'Group mailer', 'Consumers'],
        ['job?bus=0&id=held', 'Job held', 'Time line'],
        ['letters', 'Dead letters', 'From stream'],
        ['nodes', 'Nodes', 'Memory'],
      ];
      for (const [hash, title, text] of pages) {
        await visitor.go(hash, title);
        await page.getByText(text).first().waitFor();
        await checkAccessibility(page, title);
      }
      visitor.check();
    } finally {
      await context.close();
    }
  });

  it('keeps its policy, and shows hostile names as text', async () => {
    await bus.send(HOSTILE, HOSTILE, { [HOSTILE]: HOSTILE });
    const context = await browser.start();
    try {
      const visitor = await Visitor.open(context, served.url);
      const { page } = visitor;
      await redis.call('XGROUP', 'CREATE', keys.stream(HOSTILE), keys.group(HOSTILE), '0');
      const query = (values) => new URLSearchParams({ bus: '0', ...values }).toString();
      await visitor.go(`job?${query({ id: HOSTILE })}`, `Job ${HOSTILE}`);
      await page.getByText('waiting').first().waitFor();
      for (const part of ['group', 'stream']) {
        await visitor.go(
          `${part}?${query({ stream: HOSTILE, group: HOSTILE })}`,
          `${part === 'group' ? 'Group' : 'Stream'} ${HOSTILE}`,
        );
      }
      await visitor.go('', 'Overview');
      await visitor.row('Streams and groups', HOSTILE);
      assert.strictEqual(await page.locator('img').count(), 0);
      assert.strictEqual(await page.evaluate('document.scripts.length'), 1);
      visitor.check();
    } finally {
      await context.close();
    }
  });

  it('shows a partitioned stream as one row, and its partitions on request', async () => {
    const context = await browser.start({ bypassCSP: true });
    try {
      const visitor = await Visitor.open(context, served.url);
      const { page } = visitor;
      const cell = page.getByRole('link', { name: 'parcels', exact: true });
      await visitor.go('', 'Overview');
      await cell.waitFor();
      assert.strictEqual(await page.getByRole('link', { name: /^parcels#/ }).count(), 0);
      await cell.click();
      await page.getByRole('heading', { name: 'Stream parcels' }).waitFor();
      const partition = page.getByRole('link', { name: 'parcels#3' });
      assert.strictEqual(await partition.isVisible(), false);
      await page.getByText('4 of 4 partitions').click();
      await partition.waitFor();
      await checkAccessibility(page, 'partitions');
      await bus.producer.send({ ...PARCELS, job: bus.producer.job() });
      // Later figures leave the table open.
      await page.locator('.figure', { hasText: 'Entries' }).getByText('9', { exact: true }).waitFor();
      assert.strictEqual(await partition.isVisible(), true);
      await partition.click();
      await page.getByRole('heading', { name: 'Stream parcels#3' }).waitFor();
      visitor.check();
    } finally {
      await context.close();
    }
  });

  it('replays a dead letter after a question with the count', async () => {
    const context = await browser.start();
    try {
      const { page } = await Visitor.open(context, served.url);
      await page.goto(`${served.url}/#/letters`);
      await page.getByLabel('Select the letter of job forged-1').check();
      const length = await redis.call('XLEN', keys.stream('transfers'));
      await page.getByRole('button', { name: 'Replay 1 selected…' }).click();
      await page.getByRole('heading', { name: 'Replay 1 dead letter?' }).waitFor();
      await page.getByRole('button', { name: 'Replay 1', exact: true }).click();
      await page.getByText('1 sent again.').waitFor();
      await until(async () => (await redis.call('XLEN', keys.stream('transfers'))) > length, PATIENCE);
    } finally {
      await context.close();
    }
  });
});
