'use strict';

const { OK, bulk, reply } = require('./fake-redis.js');

/** Returns the reply to CLUSTER SLOTS of a Cluster with equal shares of its nodes, given by their addresses. */
function slotsOf(...nodes) {
  const share = 16384 / nodes.length;
  return reply(nodes.map(({ host, port }, at) => [at * share, (at + 1) * share - 1, [host, port, 'id']]));
}

/**
 * A node that has all slots, unless the case says otherwise, and answers as that says, by default with OK.
 * @param {(words: string[]) => Buffer | undefined} [answer]
 * @param {() => Buffer} [slots] the reply to CLUSTER SLOTS
 */
async function fakeNode(scene, answer = () => undefined, slots = undefined) {
  const node = await scene.fake((words) => {
    if (words[0] === 'INFO') return bulk('loading:0');
    if (words[0] === 'CLUSTER') return slots ? slots() : slotsOf(node.options);
    return answer(words) ?? OK;
  });
  return node;
}

/** Returns the received commands of one name. */
function named(node, name) {
  return node.commands.filter(([command]) => command === name);
}

module.exports = { fakeNode, slotsOf, named };
