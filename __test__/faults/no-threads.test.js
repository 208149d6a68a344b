'use strict';

/* A system that lets the process have no more threads. */

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { ours } = require('../support/cases.js');
const { shortage } = require('../support/shortage.js');

ours(
  'without a free thread for the engine, the error names the package and the limits of the system to raise',
  (_, scene) => {
    const source = `
    process.env.HFXBUS_NO_THREADS = '1';
    const load = () => require(process.argv[1]);
    try {
      load();
    } catch ({ code, message }) {
      console.log(JSON.stringify([code, message]));
    }
    delete process.env.HFXBUS_NO_THREADS;
    console.log(JSON.stringify(typeof load().Producer));`;
    const printed = execFileSync(process.execPath, ['-e', source, scene.subject.file], {
      env: { ...process.env, ...shortage() },
      encoding: 'utf8',
    });
    const [[code, message], later] = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.strictEqual(code, 'EAGAIN');
    assert.match(message, /^hfxbus cannot start: .*ulimit -u.*TasksMax.*--pids-limit/);
    assert.strictEqual(later, 'function', 'it can be loaded as soon as there is one');
  },
);

ours('without a free thread for a name lookup, the connection reports that and continues', async (_, scene) => {
  const child = scene.child(
    async ({ hfxbus, options, print }) => {
      process.env.HFXBUS_NO_THREADS = '1';
      const connection = hfxbus.ConnectionManager.standalone({ ...options, retryStrategy: () => 1 });
      const client = connection.getClient('a');
      const [{ code, message }] = await new Promise((resolve) => client.once('error', (...given) => resolve(given)));
      print('failed', code, message);
      delete process.env.HFXBUS_NO_THREADS;
      let later = code;
      while (later === code) later = (await new Promise((resolve) => client.once('error', resolve))).code;
      print('later', later);
      await connection.stop({ force: true });
    },
    { options: { host: 'redis.silent', port: 6379 }, variables: shortage() },
  );
  assert.deepStrictEqual(await child.says('failed'), ['EAGAIN', 'connect EAGAIN redis.silent:6379']);
  assert.deepStrictEqual(await child.says('later'), ['EAI_AGAIN']);
  assert.strictEqual((await child.exit()).code, 0);
});
