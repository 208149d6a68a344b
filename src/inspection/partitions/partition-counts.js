'use strict';

/** Name of the stream of a partition: the name of the partitioned stream, the number, and digits that lead to a node. */
const PARTITION = /^(.*)#(0|[1-9]\d{0,3})(?:\{\d+\})?$/s;

/** Counts that processes have declared, in Redis. */
const COUNTS = /^(?:\d{1,4} )+$/;

/**
 * Returns the partitioned stream that a name can be a partition of, and the number; `null` for other names.
 * @returns {{ stream: string, number: number } | null}
 */
function partitionOf(name) {
  const [, stream, number] = PARTITION.exec(name) ?? [];
  return stream === undefined ? null : { stream, number: Number(number) };
}

/**
 * Counts of the partitions of streams, as processes have declared them. The largest count is in force.
 * @typedef {Map<string, Array<{ node: string, counts: number[] }>>} PartitionCounts
 */

/**
 * Resolves with the counts of the partitioned streams among some names. A user without the right to GET knows none.
 * @param {{ prefix?: string, all: Array<{ name: string, client: object, prefix?: string }> }} servers each with a prefix of its own,
 *   or with that of all
 * @param {Iterable<string>} names
 * @returns {Promise<PartitionCounts>}
 */
async function partitionCounts(servers, names) {
  const counts = new Map();
  const read = async (stream) => {
    const texts = await Promise.all(
      servers.all.map((server) => textOf(server, `${server.prefix ?? servers.prefix}:prt:${stream}`)),
    );
    const found = servers.all.flatMap(({ name: node }, at) => {
      return COUNTS.test(texts[at]) ? { node, counts: texts[at].trim().split(' ').map(Number) } : [];
    });
    if (found.length > 0) counts.set(stream, found);
  };
  await Promise.all([...new Set(names)].map(read));
  return counts;
}

/**
 * Resolves with the counts of the partitioned streams that some streams are partitions of.
 * @param {import('../../cli/servers.js').Servers} servers
 * @param {Array<{ stream: string }>} streams
 * @param {string} [name] the only stream that was asked for. The name of a partition is that of a single stream
 */
function countsOf(servers, streams, name) {
  const names = streams.flatMap(({ stream }) => partitionOf(stream)?.stream ?? []);
  return partitionCounts(servers, name === undefined ? names : [name]);
}

/** Resolves with the text of a key; an empty one if this server does not have it, or refuses to read it. */
async function textOf({ client }, key) {
  try {
    return (await client.call('get', key)) ?? '';
  } catch (error) {
    if (error.name === 'ReplyError') return '';
    throw error;
  }
}

/** Returns the count in force of a partitioned stream. */
function countInForce(counts, stream) {
  return Math.max(...counts.get(stream).flatMap((found) => found.counts));
}

/**
 * Returns the partition of a partitioned stream that a stream is; `null` for other streams.
 * @param {PartitionCounts} counts
 */
function knownPartition(counts, name) {
  const found = partitionOf(name);
  return found !== null && counts.has(found.stream) ? found : null;
}

/** Compares partitions of one stream by their numbers. */
function byNumber(left, right) {
  return partitionOf(left.stream).number - partitionOf(right.stream).number;
}

/**
 * Returns the partitions of each partitioned stream, in their order, and the streams that are no partition.
 * @param {Array<{ stream: string }>} streams
 * @param {PartitionCounts} counts
 */
function groupedByStream(streams, counts) {
  const [others, partitions] = [[], new Map()];
  for (const stream of streams) {
    const found = knownPartition(counts, stream.stream);
    if (found === null) others.push(stream);
    else partitions.set(found.stream, [...(partitions.get(found.stream) ?? []), stream]);
  }
  for (const found of partitions.values()) found.sort(byNumber);
  return { others, partitions };
}

module.exports = { byNumber, countInForce, countsOf, groupedByStream, knownPartition, partitionCounts, partitionOf };
