'use strict';

const assert = require('node:assert');

/** Page of a browser that collects everything that must not happen: errors, refused code, foreign requests, dialogs. */
class Visitor {
  #faults = [];
  #url;

  /** @param {import('playwright-core').BrowserContext} context */
  static async open(context, url) {
    const page = await context.newPage();
    return new Visitor(page, url);
  }

  constructor(page, url) {
    this.page = page;
    this.#url = url;
    page.on('pageerror', (error) => this.#faults.push(`error: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.#faults.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:'))
        this.#faults.push(`request: ${request.url()}`);
    });
    page.on('dialog', (dialog) => {
      this.#faults.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
  }

  /** Goes to a page, and waits for its title and for its data. */
  async go(hash, title) {
    await this.page.goto(`${this.#url}/#/${hash}`);
    await this.page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  }

  /** Returns the cells of a row of a table by the names of their columns. */
  async row(table, ...texts) {
    let rows = this.page.getByRole('region', { name: `Table: ${table}` }).locator('tbody tr');
    for (const text of texts) rows = rows.filter({ hasText: text });
    await rows.first().waitFor();
    const cells = await rows.first().locator('td').all();
    const pairs = await Promise.all(
      cells.map(async (cell) => [await cell.getAttribute('data-name'), ((await cell.textContent()) ?? '').trim()]),
    );
    return Object.fromEntries(pairs);
  }

  /** Fails if something happened that must not. */
  check() {
    assert.deepStrictEqual(this.#faults, []);
  }
}

module.exports = { Visitor };
