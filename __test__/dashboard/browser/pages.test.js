'use strict';

const assert = require('node:assert');
const { after, before, describe, it } = require('node:test');
const { ConnectionManager } = require('../../../index.js');
const { keys } = require('../../support/keys.js');
const { RedisCluster } = require('../../support/redis-cluster.js');
const { RedisServer } = require('../../support/redis-server.js');
const { until } = require('../../support/wait-until.js');
const { checkAccessibility } = require('../accessibility.js');
const { startBrowser } = require('../browser.js');
const { serve } = require('../served.js');
const { unhealthyBus } = require('../unhealthy-bus.js');
const { Visitor } = require('../visitor.js');

const PATIENCE = { timeout: 30_000 };
const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };
const PAGES = [
  ['', 'Overview', 'archive of mails is stuck'],
  ['stream?bus=0&stream=mails', 'Stream mails', 'Servers'],
  ['group?bus=0&stream=transfers&group=bank', 'Group bank', 'Oldest pending entries'],
  ['job?bus=0&id=held', 'Job held', 'Time line'],
  ['job?bus=0&id=nobody', 'Job nobody', 'No entry'],
  ['letters', 'Dead letters', 'From stream'],
  ['nodes', 'Nodes', 'Memory'],
  ['nothing', 'Not found', 'There is no such page'],
];

describe('a page of the dashboard', () => {
  let redis;
  let bus;
  let served;
  let browser;
  const contexts = [];

  before(async () => {
    redis = await RedisServer.start();
    bus = await unhealthyBus(redis);
    served = await serve(bus.connection, { public: true, actions: true, payloads: true, interval: 500 });
    browser = await startBrowser();
  });

  after(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    browser?.clean();
    await served?.close();
    await bus?.stop();
    redis?.kill();
  });

  async function visit(url = served.url, options = {}) {
    const context = await browser.start(options);
    contexts.push(context);
    return Visitor.open(context, url);
  }

  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      it(`is accessible, and not wider than the screen: ${size}, ${colorScheme}`, async (t) => {
        const visitor = await visit(served.url, { viewport, colorScheme, bypassCSP: true });
        let rules = 0;
        for (const [hash, title, text] of PAGES) {
          await visitor.go(hash, title);
          await visitor.page.getByText(text).first().waitFor();
          rules += await checkAccessibility(visitor.page, `${title}, ${size}, ${colorScheme}`);
          const overflow = await visitor.page.evaluate('document.documentElement.scrollWidth - innerWidth');
          assert.ok(overflow <= 0, `${title} is ${overflow} px too wide`);
        }
        await visitor.go('letters', 'Dead letters');
        await visitor.page
          .getByRole('button', { name: /^Read the letter/ })
          .first()
          .click();
        await visitor.page.getByRole('heading', { name: /^Dead letter of job/ }).waitFor();
        rules += await checkAccessibility(visitor.page, `dialog, ${size}, ${colorScheme}`);
        await visitor.page.getByRole('button', { name: 'Drop…' }).click();
        await visitor.page.getByRole('heading', { name: 'Drop 1 dead letter?' }).waitFor();
        rules += await checkAccessibility(visitor.page, `question, ${size}, ${colorScheme}`);
        await visitor.page.getByRole('button', { name: 'Cancel' }).click();
        await visitor.page.keyboard.press('Control+k');
        await visitor.page.keyboard.type('mail');
        await visitor.page.getByRole('option').first().waitFor();
        rules += await checkAccessibility(visitor.page, `search, ${size}, ${colorScheme}`);
        t.diagnostic(`${rules} rules of axe passed`);
        visitor.check();
      });
    }
  }

  it('is used by keyboard alone', async () => {
    const { page, check } = await visit().then((visitor) => ({ page: visitor.page, check: () => visitor.check() }));
    await page.goto(served.url);
    await page.getByText('archive of mails is stuck').waitFor();
    await page.keyboard.press('Tab');
    assert.strictEqual(await page.evaluate('document.activeElement.textContent'), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.strictEqual(await page.evaluate('document.activeElement.tagName'), 'H1');
    await page.keyboard.press('Control+k');
    await page.keyboard.type('archive');
    await page.getByRole('option').first().waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Group archive' }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type(keys.payload('held', 'to'));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Job held' }).waitFor();
    await page.goto(`${served.url}/#/letters`);
    await page
      .getByRole('button', { name: /^Read the letter/ })
      .first()
      .focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.match(await page.evaluate('document.activeElement.textContent'), /^Read/);
    check();
  });

  it('follows the bus by events, and without them by reads', async () => {
    for (const script of ['', 'delete window.EventSource']) {
      const context = await browser.start();
      contexts.push(context);
      await context.addInitScript(script);
      const visitor = await Visitor.open(context, served.url);
      await visitor.go('', 'Overview');
      const archive = () => visitor.row('Streams and groups', 'mails', 'archive');
      const before = (await archive()).Waiting;
      await bus.send('mails', `more ${script.length}`);
      await until(async () => (await archive()).Waiting !== before, PATIENCE);
      visitor.check();
    }
  });

  it('shows the figures that Redis tells', async () => {
    const visitor = await visit();
    await visitor.go('', 'Overview');
    await visitor.row('Streams and groups', 'transfers');
    for (const [stream, group] of [
      ['mails', 'mailer'],
      ['mails', 'archive'],
      ['transfers', 'bank'],
    ]) {
      await until(async () => {
        const shown = await visitor.row('Streams and groups', stream, group);
        const [pending] = await redis.call('XPENDING', keys.stream(stream), keys.group(group));
        return shown.Pending === `${pending}`;
      }, PATIENCE);
    }
    await visitor.go('stream?bus=0&stream=mails', 'Stream mails');
    const server = await visitor.row('Servers of the stream', '127.0.0.1');
    assert.strictEqual(server.Entries, `${await redis.call('XLEN', keys.stream('mails'))}`);
    await visitor.go('job?bus=0&id=held', 'Job held');
    const mailer = await visitor.row('State for each group', 'mailer');
    assert.deepStrictEqual([mailer.State.replace(/^\W+/, ''), mailer.Deliveries], ['pending', '1']);
    await visitor.page.getByRole('button', { name: 'Show to' }).first().click();
    await visitor.page.getByText('"ann@example.org"').waitFor();
    visitor.check();
  });

  it('drops all dead letters that match a filter, after a count', async () => {
    const visitor = await visit();
    const { page } = visitor;
    await visitor.go('letters', 'Dead letters');
    await page.getByLabel('Error or job').fill('forged-2');
    await page.keyboard.press('Enter');
    await page.getByText('1 match', { exact: false }).first().waitFor();
    const length = await redis.call('XLEN', keys.stream('letters'));
    await page.getByRole('button', { name: 'Drop all that match…' }).click();
    await page.getByRole('heading', { name: 'Drop 1 dead letter?' }).waitFor();
    await page.getByRole('button', { name: 'Drop 1', exact: true }).click();
    await page.getByText('1 dropped.').waitFor();
    assert.strictEqual(await redis.call('XLEN', keys.stream('letters')), length - 1);
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByText('No dead letter matches').waitFor();
    visitor.check();
  });

  it('keeps the chosen colours', async () => {
    const { page } = await visit();
    await page.goto(served.url);
    await page.getByLabel('Colours').selectOption('dark');
    await page.reload();
    await page.getByRole('heading', { level: 1 }).waitFor();
    assert.strictEqual(await page.evaluate('document.documentElement.dataset.theme'), 'dark');
  });

  it('shows nodes(), a node that is away, and a Cluster', async (t) => {
    const servers = await Promise.all([RedisServer.start(), RedisServer.start()]);
    const cluster = await RedisCluster.start();
    t.after(() => [...servers, cluster].map((server) => server.kill()));
    for (const server of servers) {
      await server.call('XGROUP', 'CREATE', keys.stream('shared'), keys.group('both'), '0', 'MKSTREAM');
      await server.call('XADD', keys.stream('shared'), '*', 'prd', 'p', 'job', 'one');
    }
    await cluster.call('XADD', keys.stream('slotted'), '*', 'prd', 'p', 'job', 'one');
    const connections = {
      partitions: ConnectionManager.nodes({ nodes: servers.map(({ options }) => options) }),
      cluster: ConnectionManager.cluster(cluster.startupNodes),
    };
    const { url, close } = await serve(connections, { public: true, interval: 500 });
    t.after(async () => {
      await close();
      await Promise.all(Object.values(connections).map((connection) => connection.stop({ force: true })));
    });
    const visitor = await visit(url);
    await visitor.go('', 'Overview');
    const shared = await visitor.row('Streams and groups', 'shared');
    assert.match(shared.Stream, /partitions.*shared.*2 nodes/s);
    assert.match((await visitor.row('Streams and groups', 'slotted')).Stream, /cluster.*slotted/s);
    await visitor.go('nodes', 'Nodes');
    await visitor.row('Servers', `127.0.0.1:${servers[1].port}`);
    assert.strictEqual(
      await visitor.page.getByRole('region', { name: 'Table: Servers' }).locator('tbody tr').count(),
      5,
    );
    servers[1].kill();
    await until(
      async () =>
        /ECONNREFUSED|closed|lost|ended/i.test((await visitor.row('Servers', `127.0.0.1:${servers[1].port}`)).State),
      PATIENCE,
    );
    await visitor.page.getByText('1 down').waitFor();
    visitor.check();
  });
});
