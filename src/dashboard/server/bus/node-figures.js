'use strict';

/** Figures of the servers from INFO, with rates between two reads. */
class NodeFigures {
  /** @type {Map<string, { at: number, cpu: number | null, share: number | null }>} */
  #reads = new Map();

  /** Adds the current figures to the history. */
  record(servers, history, now) {
    for (const server of servers) {
      const { memory, cpu, ops } = this.of(server);
      if (server.isUp) history.add(nodeId(server.name), now, [memory, cpu, ops]);
    }
  }

  /** Returns the figures of a server; `null` for a field that INFO does not have, or without the permission for it. */
  of({ name, info, infoAt }) {
    const number = (field) => (Number.isFinite(Number(info.get(field))) ? Number(info.get(field)) : null);
    return {
      version: info.get('valkey_version') ?? info.get('redis_version') ?? null,
      product: info.has('valkey_version') ? 'Valkey' : 'Redis',
      role: info.get('role') ?? null,
      memory: number('used_memory'),
      maxMemory: number('maxmemory') || null,
      cpu: this.#cpu(name, infoAt, sum(number('used_cpu_sys'), number('used_cpu_user'))),
      ops: number('instantaneous_ops_per_sec'),
      clients: number('connected_clients'),
      blocked: number('blocked_clients'),
      uptime: number('uptime_in_seconds'),
      isPersistent: info.has('aof_enabled') ? info.get('aof_enabled') === '1' : null,
    };
  }

  /** Returns the share of one core between the last two reads of INFO. */
  #cpu(name, at, cpu) {
    const last = this.#reads.get(name);
    if (last?.at === at) return last.share;
    const isKnown = last !== undefined && cpu !== null && last.cpu !== null && cpu >= last.cpu;
    const share = isKnown ? (cpu - last.cpu) / ((at - last.at) / 1000) : null;
    this.#reads.set(name, { at, cpu, share });
    return share;
  }
}

function sum(left, right) {
  return left === null || right === null ? null : left + right;
}

/** Returns the name of a server's series. A series of a group has a bracket at its begin. */
function nodeId(name) {
  return `node ${name}`;
}

module.exports = { NodeFigures, nodeId };
