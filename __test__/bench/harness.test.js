'use strict';

const assert = require('node:assert');
const path = require('node:path');
const { describe, it } = require('node:test');
const { Progress } = require('../../bench/progress.js');
const { runRounds } = require('../../bench/rounds.js');
const { Servers } = require('../../bench/servers.js');
const { Subject } = require('../../bench/subject.js');
const { ROOT, run } = require('../../scripts/command.js');

const SCRIPT = path.join(ROOT, 'bench', 'run.js');

describe('npm run bench', () => {
  const bench = (...args) => run(process.execPath, [SCRIPT, ...args], { show: false });

  it('reports impossible arguments before it begins', async () => {
    for (const [args, message] of [
      [['--only', 'S99'], 'there is no scenario S99'],
      [['--only', 'S4/17'], 'S4 has no case 17, only 1, 16, 128,'],
      [['--against', 'nobody@1.0.0'], 'there is no adapter nobody'],
      [['--rounds', '1.5'], '--rounds cannot be 1.5'],
      [['--scale', '0'], '--scale cannot be 0'],
    ]) {
      const { code, output } = await bench(...args);
      assert.strictEqual(code, 1, output);
      assert.ok(output.includes(message), output);
    }
  });
});

describe('rounds of the benchmark', () => {
  it('rotate, and continue without a subject that fails', async () => {
    const servers = new Servers();
    const ran = [];
    const subjects = ['a', 'b', 'c'].map((name) => new Subject(name, '', ROOT, {}));
    const scenario = {
      id: 'S0',
      title: 'nothing',
      async run(stage) {
        const turn = ran.length;
        ran.push(await stage.servers[0].call('DBSIZE'));
        await stage.servers[0].call('SET', 'left', 'over');
        if (turn === 1) throw new Error('no');
        return { jobs: 1, rate: turn };
      },
    };
    const progress = new Progress(9);
    const { measured, failures } = await runRounds(
      scenario,
      { id: 'x', label: 'once' },
      { subjects, servers, rounds: 3, progress },
    );
    servers.stop();
    assert.deepStrictEqual(Object.fromEntries(failures), { b: 'no' });
    // a b c, then c a, then c a: b comes first and last there.
    assert.deepStrictEqual(
      [...measured].map(([name, rounds]) => [name, rounds.map(({ rate }) => rate)]),
      [
        ['a', [0, 4, 6]],
        ['c', [2, 3, 5]],
      ],
    );
    assert.deepStrictEqual([...new Set(ran)], [0], 'servers are empty before each run');
  });
});
