'use strict';

const { byNumber, countInForce, knownPartition } = require('./partition-counts.js');

/**
 * Returns findings with one for all partitions of a stream that have the same, apart from numbers.
 * @param {import('../finding.js').Finding[]} findings
 * @param {import('./partition-counts.js').PartitionCounts} counts
 */
function collapsed(findings, counts) {
  const kinds = new Map();
  for (const finding of findings) {
    const partition = finding.stream === undefined ? null : knownPartition(counts, finding.stream);
    const kind = partition === null ? finding : kindOf(finding, partition.stream);
    const known = kinds.get(kind);
    kinds.set(kind, { partition, found: [...(known?.found ?? []), finding] });
  }
  return [...kinds.values()].map(({ partition, found }) => oneOf(found, partition, counts));
}

/** Returns a text that findings of partitions of a stream share. */
function kindOf({ check, state, group, stream, detail }, of) {
  return JSON.stringify([check, state, of, group, detail.replaceAll(stream, '').replace(/\d+(\.\d+)?/g, '0')]);
}

/** Returns the finding of the first partition, with the number of the others. */
function oneOf(found, partition, counts) {
  if (found.length === 1) return found[0];
  const [first, ...others] = [...found].sort(byNumber);
  const nodes = new Set([first, ...others].map(({ node }) => node));
  const count = countInForce(counts, partition.stream);
  const detail = `${first.detail}; and the same of ${others.length} more of ${count} partitions of ${partition.stream}`;
  return { ...first, node: [...nodes].join(', '), detail };
}

module.exports = { collapsed };
