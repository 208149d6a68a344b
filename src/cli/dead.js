'use strict';

const { DeadLetters } = require('../facade/api/dead-letters.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { json, printable, table } = require('./printing.js');
const { Servers } = require('./servers.js');
const { PAGE } = require('./streams.js');

const HELP = `Usage: hfxbus dead list <stream> [options]
       hfxbus dead replay <stream> <id>...|--all --yes [options]
       hfxbus dead drop <stream> <id>...|--all --yes [options]

Dead letters, which consumers with deadLetter: <stream> have put there: lists the oldest, sends their jobs
again to every group, or takes them away. A letter's id is what list says.

  --count <n>        how many to list, 100
  --all              all that are there now
  --yes              yes, do it
${HELP_OF_BUS}`;

const OPTIONS = {
  count: { type: 'string', default: '100' },
  all: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
};

/** What is done to a letter, and what is said of it. */
const ACTIONS = {
  replay: async (letters, letter) => ({ entryId: await letters.replay(letter) }),
  drop: async (letters, letter) => ({ dropped: await letters.drop(letter) }),
};

/** @returns {Promise<number>} the exit code: 1 if a letter is not there, or something fails */
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
  if (!Object.hasOwn(ACTIONS, action)) throw new Error(`'${action}' is none of list, replay and drop`);
  if (all === ids.length > 0) throw new Error('say which: either ids, or --all');
  if (!yes) throw new Error(`${action} takes letters away: say --yes if that is meant`);
}

async function list(letters, values, isPartitioned) {
  const found = (await letters.list({ count: Number(values.count) })).map((letter) => {
    return { ref: refOf(letter, isPartitioned), ...letter };
  });
  if (values.json) json({ letters: found });
  else if (found.length === 0) console.log('There are no letters.');
  else console.log(table(HEADER, found.map(row)));
  return 0;
}

const HEADER = ['id', 'job', 'stream', 'group', 'deliveries', 'reason', 'error'];
const LONGEST_ERROR = 60;

function row({ ref, jobId, stream, group, deliveries, reason, error }) {
  const text = typeof error === 'string' ? error : (error?.message ?? '-');
  return [ref, jobId, stream, group, deliveries, reason, String(text).slice(0, LONGEST_ERROR)];
}

/** What a letter is called here: with several nodes the same id can be on each of them. */
function refOf({ id, node }, isPartitioned) {
  return isPartitioned ? `${node}:${id}` : id;
}

/** @param {{ ids: string[] | null }} given which letters, all for `null` */
async function actOn(letters, act, { ids, isPartitioned, values }) {
  const wanted = ids && new Set(ids);
  // First all, then one by one: what is replayed may fail again, and come back while this goes on.
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
    const what = error ? `failed: ${error}` : entryId ? `sent again as ${entryId}` : dropped ? 'dropped' : 'was gone';
    console.log(printable(`${id} (${jobId}): ${what}`));
  }
  for (const id of missing) console.log(printable(`${id}: there is no such letter`));
  if (done.length + missing.length === 0) console.log('There are no letters.');
}

module.exports = { HELP, run };
