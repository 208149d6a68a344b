'use strict';

const assert = require('node:assert');

const AXE = require.resolve('axe-core');

/**
 * Checks the accessibility of a page by all rules of axe. The context of the page needs `bypassCSP`, since the policy of the
 * dashboard refuses foreign scripts.
 * @returns {Promise<number>} number of rules that were passed
 */
async function checkAccessibility(page, what) {
  if (!(await page.evaluate('Boolean(window.axe)'))) await page.addScriptTag({ path: AXE });
  const { violations, passes } = await page.evaluate('window.axe.run()');
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
  assert.deepStrictEqual(found, [], what);
  return passes.length;
}

module.exports = { checkAccessibility };
