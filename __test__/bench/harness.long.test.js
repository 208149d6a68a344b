'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, describe, it } = require('node:test');
const scenarios = require('../../bench/scenarios/index.js');
const { ROOT, run } = require('../../scripts/command.js');

const SCRIPT = path.join(ROOT, 'bench', 'run.js');

describe('npm run bench', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hfxbus-bench-'));
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  const bench = (...args) => run(process.execPath, [SCRIPT, ...args], { show: false });

  it('measures every case of every scenario', async () => {
    const [json, svg] = ['figures.json', 'chart.svg'].map((name) => path.join(folder, name));
    const { code, output } = await bench(
      ...['--against', '', '--rounds', '1', '--scale', '0.01', '--json', json, '--chart', svg],
    );
    assert.strictEqual(code, 0, output);
    const { cases } = JSON.parse(fs.readFileSync(json, 'utf8'));
    const expected = Object.values(scenarios).flatMap(({ id, cases: all }) => all.map((one) => `${id}/${one.id}`));
    assert.deepStrictEqual(
      cases.map(({ scenario, id }) => `${scenario}/${id}`),
      expected,
    );
    for (const { scenario, id, measured, metrics } of cases) {
      const figures = measured.ours[0];
      for (const { key } of metrics) {
        // The server's CPU is counted in steps that so little work may not make.
        const isRight = /^(serverCpu|idleServer)$/.test(key) ? figures[key] >= 0 : figures[key] > 0;
        assert.ok(isRight, `${key} of ${scenario}/${id} is ${figures[key]}`);
      }
      assert.ok(metrics.length > 1, `${scenario}/${id} has figures`);
      assert.ok(output.includes(`| ${scenario}/${id} `), output);
    }
    assert.match(fs.readFileSync(svg, 'utf8'), /^<svg [\s\S]*S4 round trip[\s\S]*<\/svg>\n$/);

    const again = await bench('--from', json);
    assert.strictEqual(again.code, 0, again.output);
    assert.ok(output.includes(again.output), again.output);
  });
});
