'use strict';

const assert = require('node:assert');
const { asked } = require('../support/command-line.js');
const { keys } = require('../support/keys.js');

/** A bus with a job of a stream, its payload, and a dead letter of that job. @param {(...words: any[]) => Promise} call */
async function fill(call) {
  await call('XADD', keys.stream('mails'), '1-1', 'prd', 'p', 'job', 'one');
  await call('SET', keys.payload('one', 'to'), '"ann"');
  const letter = ['prd', 'p', 'job', 'one', 'str', 'mails', 'eid', '1-1', 'grp', 'g', 'dlv', '3', 'rsn', 'exhausted'];
  await call('XADD', keys.stream('letters'), '5-1', ...letter);
}

/** Runs every verb on such a bus, with the given options, and replays the dead letter. */
async function everyVerb(where, { variables } = {}) {
  const say = async (...words) => {
    const { code, said } = await asked([...words, ...where], { variables });
    assert.strictEqual(code, 0, `${words.join(' ')}: ${JSON.stringify(said)}`);
    return said;
  };
  const { findings } = await say('doctor');
  assert.ok(findings.some(({ check, state }) => check === 'version' && state === 'ok'));
  const { streams } = await say('inspect', 'mails');
  assert.deepStrictEqual(
    streams.map(({ stream, length }) => [stream, length]),
    [['mails', 1]],
  );
  const { entries, payload } = await say('why', 'one', '--stream', 'mails');
  assert.deepStrictEqual([entries.map(({ id }) => id), payload.map(({ key }) => key)], [['1-1'], ['to']]);
  const once = await say('watch', 'mails', '--count', '1', '--interval', '50');
  assert.strictEqual(once.streams[0].length, 1);
  const { letters } = await say('dead-letters', 'list', 'letters');
  assert.deepStrictEqual(
    letters.map(({ id, jobId }) => [id, jobId]),
    [['5-1', 'one']],
  );
  const { done } = await say('dead-letters', 'replay', 'letters', '--all', '--yes');
  assert.match(done[0].entryId, /^\d+-\d+$/);
  assert.strictEqual((await say('inspect', 'mails')).streams[0].length, 2);
  return { nodes: [...new Set(findings.map(({ node }) => node))] };
}

module.exports = { everyVerb, fill };
