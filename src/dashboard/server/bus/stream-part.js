'use strict';

const { isBehind } = require('../../../facade/redis/entry-ids.js');
const { consumerOf, describeStream, pendingOf, withAge } = require('../../../inspection/streams.js');

/** Size of the first and the last entry from which XINFO STREAM is rare, in bytes: its reply contains both. */
const HEAVY = 16 * 1024;
/** Time between two XINFO STREAM of such a stream, in ms. */
const HEAVY_INTERVAL = 30_000;
/** Number of pending entries that are read of a group. */
const SAMPLE = 100;
/** Number of consumers from which they are read less often, and the time between two reads, in ms. */
const MANY_CONSUMERS = 1000;
const MANY_INTERVAL = 60_000;
/** Number of polls of which the oldest is the begin of a rate. */
const RATE_POLLS = 5;

/** Stream on one server, with its groups, as the last poll has found them. */
class StreamPart {
  #info = null;
  #infoAt = Number.NEGATIVE_INFINITY;
  #size = 0;
  /** Earlier polls, the oldest first. */
  #polls = [];
  #details = new Map();
  /** @type {ReturnType<typeof describeStream> | null} */
  stream = null;
  polledAt = Number.NEGATIVE_INFINITY;
  detailedAt = Number.NEGATIVE_INFINITY;
  isDeadLetters = false;

  constructor(server, key) {
    this.server = server;
    this.key = key;
    this.name = key.slice(`${server.prefix}:str:`.length);
  }

  get isHeavy() {
    return this.#size > HEAVY;
  }

  /** Returns the estimated number of commands of the next poll. */
  cost(withDetails) {
    return 2 + (withDetails ? (this.stream?.groups.length ?? 1) * 3 : 0);
  }

  /** Reads the stream and the positions of its groups. Rejects if the stream does not exist. */
  async poll(at) {
    const { client, prefix } = this.server;
    const isRare = this.isHeavy && at - this.#infoAt < HEAVY_INTERVAL;
    const [info, groups] = await Promise.all([
      isRare ? client.call('xlen', this.key) : client.call('xinfo', 'STREAM', this.key),
      client.call('xinfo', 'GROUPS', this.key),
    ]);
    if (!isRare) this.#remember(info, at);
    const now = nowOf(this.server);
    const of = { server: this.server, key: this.key, prefix, now, isOld: isRare };
    this.stream = describeStream(of, isRare ? this.#patched(info) : this.#info, groups);
    if (isRare) this.stream.added = addedOf(this.stream.groups);
    this.polledAt = at;
    this.#note(at);
  }

  #remember(info, at) {
    this.#info = info;
    this.#infoAt = at;
    const fields = (name) => info[info.indexOf(name) + 1]?.[1] ?? [];
    const last = fields('last-entry');
    const all = [...fields('first-entry'), ...last];
    this.#size = all.reduce((sum, { length }) => sum + length, 0);
    this.isDeadLetters = ['rsn', 'grp', 'str'].every((name) => last.indexOf(name) % 2 === 0);
  }

  /** Returns the last reply to XINFO STREAM with a new length. */
  #patched(length) {
    const info = [...this.#info];
    info[info.indexOf('length') + 1] = length;
    return info;
  }

  #note(at) {
    const groups = new Map(this.stream.groups.map(({ group, read, pending }) => [group, { read, pending }]));
    this.#polls.push({ at, added: this.stream.added, groups });
    if (this.#polls.length > RATE_POLLS) this.#polls.shift();
  }

  /** Reads consumers, the oldest pending entries and the oldest waiting entry of each group. */
  async detail(at) {
    const groups = this.stream?.groups ?? [];
    await Promise.all(groups.map((group) => this.#detailGroup(group, at)));
    const names = new Set(groups.map(({ name }) => name));
    for (const name of this.#details.keys()) if (!names.has(name)) this.#details.delete(name);
    this.detailedAt = at;
  }

  async #detailGroup(group, at) {
    const { client } = this.server;
    const old = this.#details.get(group.name);
    const isRare = group.consumerCount > MANY_CONSUMERS && at - (old?.consumersAt ?? -Infinity) < MANY_INTERVAL;
    const hasWaiting = group.lag !== 0 && !this.isHeavy && isBehind(this.stream.lastId, group.lastDelivered);
    const begin = group.lastDelivered === '0-0' ? '-' : group.lastDelivered;
    const [consumers, pending, waiting] = await Promise.all([
      isRare ? old.consumers : client.call('xinfo', 'CONSUMERS', this.key, group.name),
      group.pending > 0 ? client.call('xpending', this.key, group.name, '-', '+', SAMPLE) : [],
      // The entry at the begin can be there, and Redis 5 has no exclusive ranges.
      hasWaiting ? client.call('xrange', this.key, begin, '+', 'COUNT', 2) : [],
    ]);
    this.#details.set(group.name, {
      consumers: isRare ? consumers : consumers.map(consumerOf),
      consumersAt: isRare ? old.consumersAt : at,
      sample: pending.map((entry) => ({ id: entry[0], ...pendingOf(entry) })),
      waiting: waiting.map(([id]) => id).find((id) => id !== group.lastDelivered) ?? null,
    });
  }

  /** Resolves with the retention of the stream by a query of `src/inspection`, with the groups as they are known. */
  retentionBy(servers, retentionOf) {
    const { stream, lastId, added, length } = this.stream;
    const groups = this.groups().map(({ group, sample }) => ({ ...group, oldestPending: sample[0] ?? null }));
    return retentionOf(servers, this.server.prefix, { stream, lastId, added, length, groups }, nowOf(this.server));
  }

  /** Returns the groups with their details, as far as they are known. */
  groups() {
    const now = nowOf(this.server);
    return (this.stream?.groups ?? []).map((group) => {
      const details = this.#details.get(group.name);
      group.consumers = details?.consumers ?? [];
      const sample = details?.sample ?? [];
      const ages = [details?.waiting ?? null, sample[0]?.id ?? null].filter((id) => id !== null);
      const oldest = ages.map((id) => withAge(id, now).age);
      return {
        group,
        sample: group.pending > 0 ? sample : [],
        isSampled: group.pending <= sample.length,
        isDetailed: details !== undefined,
        oldest: oldest.length > 0 && (group.pending > 0 || group.lag !== 0) ? Math.max(...oldest) : null,
        // Before Redis 7 the lag is not known.
        hasWaiting: group.lag === null ? isBehind(this.stream.lastId, group.lastDelivered) : group.lag > 0,
        trimmed: trimmedOf(this.stream, group),
        ...this.#ratesOf(group),
      };
    });
  }

  /** Returns the number of entries that are added per second; `null` if it is not known. */
  get added() {
    const [first, last] = [this.#polls[0], this.#polls.at(-1)];
    return this.#polls.length > 1 ? rate(first.added, last.added, last.at - first.at) : null;
  }

  #ratesOf({ group }) {
    const [first, last] = [this.#polls[0], this.#polls.at(-1)];
    const [before, after] = [first?.groups.get(group), last?.groups.get(group)];
    if (this.#polls.length < 2 || !before || !after) return { delivered: null, settled: null };
    const ms = last.at - first.at;
    const delivered = rate(before.read, after.read, ms);
    // Entries that were delivered and are not pending any more.
    const settled = rate(difference(before.read, before.pending), difference(after.read, after.pending), ms);
    return { delivered, settled };
  }
}

/** Returns the time of a server's clock, in ms. Ids are made from this clock. */
function nowOf({ clock }) {
  return clock === null ? Date.now() : Math.round(performance.now() + clock);
}

function rate(before, after, ms) {
  const grown = difference(after, before);
  return grown === null || ms <= 0 ? null : Math.max(0, (grown * 1000) / ms);
}

function difference(left, right) {
  return typeof left === 'number' && typeof right === 'number' ? left - right : null;
}

/** Returns the number of entries that were ever added, from a group that counts them. */
function addedOf(groups) {
  const counts = groups.map(({ read, lag }) => (read === null || lag === null ? null : read + lag));
  return counts.find((count) => count !== null) ?? null;
}

/** Returns the number of entries that were removed from the stream before the group read them; `null` if not known. */
function trimmedOf({ added, length, oldest }, { read, lastDelivered }) {
  if (added === null || read === null) return null;
  const isAhead = oldest === null ? read < added : isBehind(oldest.id, lastDelivered);
  return isAhead ? Math.max(0, added - length - read) : 0;
}

module.exports = { SAMPLE, StreamPart };
