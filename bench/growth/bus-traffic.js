'use strict';

const { spawnSync } = require('node:child_process');

/** Distance of a Cluster node's bus port from its port, as Redis defines it. */
const BUS_OFFSET = 10000;

/**
 * Returns the bytes that the nodes of a Cluster have sent each other so far. The kernel counts them for each connection, so the
 * number includes all overhead of the bus. It is 0 for a single node, and NaN on a machine without `ss`.
 *
 * @param {{ port: number }[]} nodes
 * @returns {number} bytes
 */
function busBytes(nodes) {
  const ports = new Set(nodes.map(({ port }) => String(port + BUS_OFFSET)));
  const words = ['--tcp', '--info', '--numeric', '--no-header', '--oneline', 'state', 'established'];
  const { status, stdout } = spawnSync('ss', words, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) return Number.NaN;
  return stdout.split('\n').reduce((sum, line) => sum + sentOver(line, ports), 0);
}

/** Bytes sent over a connection from or to a bus port. Both ends have a line of their own, so nothing counts twice. */
function sentOver(line, ports) {
  const [, , local = '', peer = ''] = line.trim().split(/\s+/);
  if (![local, peer].some((address) => ports.has(address.slice(address.lastIndexOf(':') + 1)))) return 0;
  return Number(/\bbytes_sent:(\d+)/.exec(line)?.[1] ?? 0);
}

module.exports = { busBytes };
