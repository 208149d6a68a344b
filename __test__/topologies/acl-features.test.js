'use strict';

/* That each paragraph of the rights in docs/production.md is complete for its feature, and names nothing else. */

const assert = require('node:assert');
const { ours, oursSince } = require('../support/cases.js');
const { documentedRights } = require('../support/documented-rights.js');
const { completeTour, needlessRights } = require('./acl-trial.js');

const { paragraphs } = documentedRights();

/** Paragraphs of a bus with a consumer that does not claim, and a producer that waits. */
const CORE = [
  'every connection',
  'payloads: producers and consumers',
  'values that were set and not pushed, removals of carried keys, delOnSettle',
  'producers',
  'producers, with waitFor',
  'consumers',
  'consumers, to look for delayed sends',
];
const CLAIM = 'consumers, with claimInterval';
const PARTITIONS = 'producers and consumers, with partitions';
const DELAYS = 'delayed sends and cancel(): producers and consumers';

/** Paragraph of each feature, with the others that it needs, the parts of a tour, and options of the connection. */
const FEATURES = {
  'producers, with id': { parts: ['once'] },
  [DELAYS]: { parts: ['delay'] },
  'delayed sends with waitFor': { more: [DELAYS], parts: ['delayTwice'] },
  'stats() of a consumer': { parts: ['stats'] },
  'consumers, with retain': { parts: ['retain'], options: { retain: 'acknowledged', retainFor: 100 } },
  'producers, with backlogLimit': { parts: ['sendOne'], options: { backlogLimit: 1000 } },
  'consumers, with fair': { parts: ['share'] },
  [PARTITIONS]: { parts: ['partitions'] },
  'consumers, with ordered, besides claimInterval and partitions': { more: [CLAIM, PARTITIONS], parts: ['order'] },
  'consumers, with limit, besides claimInterval': { more: [CLAIM, 'stats() of a consumer'], parts: ['limit'] },
};

/** Paragraphs of a Cluster since Redis 7, each with the other one. */
const SHARDED = {
  "producers, with completions: 'sharded'": "consumers, with completions: 'sharded'",
  "consumers, with completions: 'sharded'": "producers, with completions: 'sharded'",
};
const OF_CLUSTER = ['+cluster|slots', '+asking'];

for (const [title, { more = [], ...plan }] of Object.entries(FEATURES)) {
  ours(titleOf(title), (_, scene) => check(scene, title, paragraphsOf(more), plan));
}
for (const [title, other] of Object.entries(SHARDED)) {
  oursSince(7)(titleOf(title), async (_, scene) => {
    const plan = { parts: ['sendOne'], options: { completions: 'sharded' }, cluster: await scene.cluster() };
    await check(scene, title, [...paragraphsOf([other]), ...OF_CLUSTER], plan);
  });
}

function titleOf(title) {
  return `the rights of ${title} are complete, and each is needed`;
}

function paragraphsOf(titles) {
  return titles.flatMap((title) => paragraphs.get(title));
}

async function check(scene, title, more, { parts, options = {}, cluster }) {
  const plan = { parts: ['begin', ...parts, 'end'], options, cluster };
  const own = paragraphs.get(title);
  const others = new Set([...paragraphsOf(CORE), ...more]);
  const granted = [...new Set([...others, ...own])];
  assert.deepStrictEqual(await completeTour(scene, granted, plan), { errors: [], refused: [] });
  const rights = own.filter((right) => !paragraphsOf(CORE).includes(right));
  assert.ok(rights.length > 0);
  assert.deepStrictEqual(await needlessRights(scene, { granted, rights }, plan), []);
}
