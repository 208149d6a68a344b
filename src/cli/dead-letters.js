'use strict';

const { DeadLetters } = require('../facade/api/dead-letters.js');
const { PAGE } = require('../inspection/scan.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { json, printable, table } = require('./output.js');
const { Servers } = require('./servers.js');

const HELP = `Usage: hfxbus dead-letters list <stream> [options]
       hfxbus dead-letters replay <stream> <id>...|--all --yes [options]
       hfxbus dead-letters drop <stream> <id>...|--all --yes [options]

Lists the oldest dead letters of a stream, sends their jobs again to every group, or deletes them. Consumers
with deadLetter: <stream> write dead letters. list shows the id of each letter. The alias of the verb is dead.

  --count <n>        maximum number of letters to list. Default 100
  --all              acts on all letters of the stream
  --yes              confirms replay and drop, which both delete letters
${HELP_OF_BUS}`;

const OPTIONS = {
  count: { type: 'string', default: '100' },
  all: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
};

/** Actions on a letter; each resolves with the fields that are reported of it. */
const ACTIONS = {
  replay: async (letters, letter) => ({ entryId: await letters.replay(letter) }),
  drop: async (letters, letter) => ({ dropped: await letters.drop(letter) }),
};

/** @returns {Promise<number>} the exit code: 1 if a letter does not exist, or an action fails */
async function run(args) {
  const { values, words } = parse(args, { help: HELP, options: OPTIONS, least: 2, most: Infinity, check });
  const [action, stream, ...ids] = words;
  return Servers.use(values, HELP, async (servers) => {
    const letters = new DeadLetters(servers.bus(), stream);
    const isPartitioned = values.url.length > 1;
    if (action === 'list') return await list(letters, values, isPartitioned);
    return await actOn(letters, ACTIONS[action], { ids: values.all ? null : ids, isPartitioned, values });
  });
}

function check({ count: most, all, yes }, [action, , ...ids]) {
  count('count', most, 1);
  if (action === 'list') {
    if (ids.length > 0) throw new Error('list takes no ids');
    return;
  }
  if (!Object.hasOwn(ACTIONS, action)) throw new Error(`unknown action '${action}': use list, replay or drop`);
  if (all === ids.length > 0) throw new Error('either ids or --all must be given');
  if (!yes) throw new Error(`${action} deletes letters: confirm it with --yes`);
}

async function list(letters, values, isPartitioned) {
  const found = (await letters.list({ count: Number(values.count) })).map((letter) => {
    return { ref: refOf(letter, isPartitioned), ...letter };
  });
  if (values.json) json({ letters: found });
  else if (found.length === 0) console.log('There are no dead letters.');
  else console.log(table(HEADER, found.map(row)));
  return 0;
}

const HEADER = ['id', 'job', 'stream', 'group', 'deliveries', 'reason', 'error'];
const LONGEST_ERROR = 60;

function row({ ref, jobId, stream, group, deliveries, reason, error }) {
  const text = typeof error === 'string' ? error : (error?.message ?? '-');
  return [ref, jobId, stream, group, deliveries, reason, String(text).slice(0, LONGEST_ERROR)];
}

/** Returns the id of a letter on the command line. With several nodes it begins with the index of the node. */
function refOf({ id, node }, isPartitioned) {
  return isPartitioned ? `${node}:${id}` : id;
}

/** @param {{ ids: string[] | null }} given ids of the letters, or `null` for all */
async function actOn(letters, act, { ids, isPartitioned, values }) {
  const wanted = ids && new Set(ids);
  // The list is complete before the first action: a replayed job can fail and become a letter again.
  const found = [];
  for await (const letter of everyLetter(letters)) {
    if (wanted === null || wanted.has(refOf(letter, isPartitioned))) found.push(letter);
  }
  const done = [];
  for (const letter of found) done.push(await outcomeOf(letters, act, letter, refOf(letter, isPartitioned)));
  const there = new Set(found.map((letter) => refOf(letter, isPartitioned)));
  const missing = [...(wanted ?? [])].filter((id) => !there.has(id));
  if (values.json) json({ done, missing });
  else print(done, missing);
  return missing.length > 0 || done.some(({ error }) => error) ? 1 : 0;
}

async function outcomeOf(letters, act, letter, id) {
  try {
    return { id, jobId: letter.jobId, ...(await act(letters, letter)) };
  } catch (error) {
    return { id, jobId: letter.jobId, error: error.message };
  }
}

async function* everyLetter(letters) {
  let page = await letters.list({ count: PAGE });
  for (;;) {
    yield* page;
    if (page.length < PAGE) return;
    page = await letters.list({ count: PAGE, after: page.at(-1) });
  }
}

function print(done, missing) {
  for (const { id, jobId, entryId, dropped, error } of done) {
    const what = error
      ? `failed: ${error}`
      : entryId
        ? `sent again as ${entryId}`
        : dropped
          ? 'dropped'
          : 'was deleted already';
    console.log(printable(`${id} (${jobId}): ${what}`));
  }
  for (const id of missing) console.log(printable(`${id}: no such letter`));
  if (done.length + missing.length === 0) console.log('There are no dead letters.');
}

module.exports = { HELP, run };
