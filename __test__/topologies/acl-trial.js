'use strict';

/* Tours of users with some of the rights that docs/production.md lists. */

const { documentedRights } = require('../support/documented-rights.js');
const { until } = require('../support/wait-until.js');
const { Tour } = require('./acl-tour.js');

const { rules } = documentedRights();
/** Number of users that are tried at a time. */
const AT_ONCE = 8;

/** Adds a user with some of the documented rights. @returns {Promise<string>} its name */
async function addUser(scene, granted, servers = [scene.redis]) {
  const username = scene.name('user');
  const given = rules.map((rule) => (rule.startsWith('>') ? '>secret' : rule));
  const words = [...given, ...granted, `&hfxbus:chn:${username}:*`];
  for (const server of servers) await server.call('ACL', 'SETUSER', username, ...words);
  return username;
}

/** Resolves with the commands that some servers refused a user. */
async function refusals(username, servers) {
  const logs = await Promise.all(servers.map((server) => server.call('ACL', 'LOG', 1000)));
  const at = (entry, name) => entry[entry.indexOf(name) + 1];
  return logs
    .flat()
    .filter((entry) => at(entry, 'username') === username)
    .map((entry) => at(entry, 'object'));
}

/** The same without CLIENT SETINFO, whose right Redis 7.0 does not know. Redis 6.2 does not say which subcommand. */
async function unexpectedRefusals(username, servers) {
  const found = await refusals(username, servers);
  return found.filter((object) => object !== 'client|setinfo' && object !== 'client');
}

function serversOf({ redis }, plan) {
  return plan?.cluster?.nodes ?? [redis];
}

/** Runs a whole tour. Resolves with its errors, and with the commands that were refused. */
async function completeTour(scene, granted, plan) {
  const servers = serversOf(scene, plan);
  const username = await addUser(scene, granted, servers);
  const tour = new Tour(scene, username, plan);
  await tour.run();
  return { errors: tour.errors, refused: await unexpectedRefusals(username, servers) };
}

/** Resolves with those of some rights without which a tour is refused nothing. */
async function needlessRights(scene, { granted, rights = granted }, plan) {
  const left = [...rights];
  const needless = [];
  const tryEach = async () => {
    for (let right = left.pop(); right !== undefined; right = left.pop()) {
      const others = granted.filter((other) => other !== right);
      if (!(await isNeeded(scene, right, others, plan))) needless.push(right);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tryEach));
  return needless;
}

/** Resolves with true if a tour without a right is refused its command. */
async function isNeeded(scene, right, granted, plan) {
  const [name, parent] = [right.slice(1), right.slice(1).split('|')[0]];
  const servers = serversOf(scene, plan);
  const username = await addUser(scene, granted, servers);
  const tour = new Tour(scene, username, plan);
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  const running = tour.run().then(end, end);
  // Redis 6.2 does not say which subcommand. The object of a refused channel is the channel.
  const isOf = (object) => (right.startsWith('&') ? object.includes(':shd:') : object === name || object === parent);
  const isRefused = async () => {
    const was = isOver;
    const objects = await refusals(username, servers);
    return objects.some(isOf) ? 'refused' : was && 'not refused';
  };
  const outcome = await until(isRefused, { timeout: 30_000, what: `the end without ${name}` });
  await tour.cutShort();
  await running;
  await tour.connection.stop({ force: true });
  return outcome === 'refused';
}

module.exports = { addUser, completeTour, needlessRights, unexpectedRefusals };
