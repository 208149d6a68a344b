'use strict';

const { isBehind } = require('../facade/redis/entry-ids.js');
const { Budget, entryPages } = require('../inspection/entry-pages.js');
const { partitionCounts } = require('../inspection/partitions/partition-counts.js');
const { withPartitions } = require('../inspection/partitions/stream-sums.js');
const { streamsOf } = require('../inspection/streams.js');
const { HELP_OF_BUS, parse } = require('./arguments.js');
const { json, printable, table } = require('./output.js');
const { Servers } = require('./servers.js');
const { OPTIONS, checkPosition, idBefore } = require('./start-position.js');

const HELP = `Usage: hfxbus replay <stream> --group <name> --from <id>|--since <time> [--apply [--yes]] [options]

Sets a group to a point of its stream, so that its consumers run the jobs behind that point again, or skip jobs. Without
--apply it only shows the effect. Other groups do not notice it. Payload keys that were removed are not there again;
values that the entries carry are.

  --group <name>     group to set
  --from <id>        id after which the group reads on: 0 for the whole stream, $ for new entries only
  --since <time>     time of the first entry that the group reads: ISO 8601, or ms since 1970
  --apply            sets the group (XGROUP SETID)
  --yes              sets it although consumers of the group are active
${HELP_OF_BUS}`;

/** Time since its last read in which a consumer counts as active, in ms. */
const ACTIVE = 60_000;
/** Maximum number of entries that are counted on one server. */
const MOST_COUNTED = 1_000_000;

/** @returns {Promise<number>} the exit code: 1 if the group does not exist, or active consumers prevent it */
async function run(args) {
  const options = {
    ...OPTIONS,
    group: { type: 'string' },
    apply: { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
  };
  const { values, words } = parse(args, { help: HELP, options, least: 1, check });
  return Servers.use(values, HELP, async (servers) => {
    const found = withPartitions(await streamsOf(servers, words[0]), await partitionCounts(servers, [words[0]]));
    const plans = await plansOf(found, values);
    const isRefused = values.apply && !values.yes && plans.some(({ active }) => active.length > 0);
    const isApplied = values.apply && !isRefused && plans.length > 0;
    if (isApplied) for (const plan of plans) await apply(plan);
    if (values.json) json({ applied: isApplied, plans });
    else print(plans, values, { isApplied, isRefused });
    return plans.length === 0 || isRefused ? 1 : 0;
  });
}

function check(values) {
  checkPosition(values);
  if (!values.group) throw new Error('--group is missing');
  if (values.from === undefined && values.since === undefined) throw new Error('--from or --since must be given');
}

/** Resolves with the effect on each server that has the group. */
async function plansOf(streams, values) {
  const found = streams.flatMap((stream) => {
    return stream.groups.filter(({ group }) => group === values.group).map((group) => ({ stream, group }));
  });
  return Promise.all(found.map(({ stream, group }) => planOf(stream, group, idBefore(values))));
}

async function planOf(stream, { name, lastDelivered, pending, consumers }, wanted) {
  const target = wanted === '$' ? stream.lastId : wanted;
  const isBack = isBehind(lastDelivered, target);
  const counted = isBack
    ? await entriesIn(stream, target, lastDelivered)
    : await entriesIn(stream, lastDelivered, target);
  const active = consumers.filter(({ idle }) => idle < ACTIVE).map((consumer) => consumer.name);
  const { node, oldest } = stream;
  const plan = {
    stream: stream.stream,
    node,
    position: lastDelivered,
    target,
    again: isBack ? counted : 0,
    skipped: isBack ? 0 : counted,
  };
  Object.assign(plan, { pending, active, oldest: oldest?.id ?? null });
  return Object.defineProperty(plan, 'apply', {
    value: () => stream.server.client.call('xgroup', 'SETID', stream.key, name, target),
  });
}

function apply(plan) {
  return plan.apply();
}

/** Resolves with the number of entries behind `after` and up to `last`, at most `MOST_COUNTED`. */
async function entriesIn({ server: { client }, key }, after, last) {
  if (!isBehind(last, after)) return 0;
  let counted = 0;
  for await (const page of entryPages(client, key, { from: after, budget: new Budget({ entries: MOST_COUNTED }) })) {
    const within = page.filter(([id]) => isBehind(id, after) && !isBehind(id, last));
    counted += within.length;
    if (isBehind(page.at(-1)[0], last)) break;
  }
  return counted;
}

const HEADER = ['node', 'position', 'target', 'again', 'skipped', 'pending', 'oldest entry'];

function print(plans, { group }, { isApplied, isRefused }) {
  if (plans.length === 0) {
    console.log(printable(`There is no group ${group} in this stream.`));
    return;
  }
  const atMost = (number) => (number === MOST_COUNTED ? `${number} or more` : number);
  const hasSeveral = new Set(plans.map(({ stream }) => stream)).size > 1;
  const rows = plans.map(({ stream, node, position, target, again, skipped, pending, oldest }) => {
    const begin = hasSeveral ? [stream, node] : [node];
    return [...begin, position, target, atMost(again), atMost(skipped), pending, oldest ?? '-'];
  });
  console.log(table(hasSeveral ? ['stream', ...HEADER] : HEADER, rows));
  const active = [...new Set(plans.flatMap((plan) => plan.active))];
  if (active.length > 0) console.log(printable(`Active consumers: ${active.join(', ')}`));
  if (isApplied) console.log('The group is set.');
  else if (isRefused) console.log('Nothing was changed. Stop the active consumers, or confirm with --yes.');
  else console.log('Nothing was changed. Set the group with --apply.');
}

module.exports = { HELP, run };
