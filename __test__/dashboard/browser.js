'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');
const { provideBrowser } = require('../../scripts/browser-installation.js');

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** Starts a browser without a window, with a folder of its own that is removed at its end. */
async function startBrowser() {
  const executablePath = await provideBrowser();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-browser-'));
  const start = (options = {}) =>
    chromium.launchPersistentContext(fs.mkdtempSync(path.join(folder, 'user-')), {
      executablePath,
      headless: true,
      args: FLAGS,
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      ...options,
    });
  const clean = () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', clean);
  return { start, clean };
}

module.exports = { startBrowser };
