'use strict';

/** Features that the embedded server does not have, as reasons to leave a case out. */
const REASONS = {
  acl: 'users and their rights',
  aof: 'files of its data',
  cluster: 'a Cluster',
  databases: 'databases beside the first',
  pauses: 'writes that go on in their order after CLIENT PAUSE',
  limits: 'limits of the output buffers of clients',
  replica: 'a replica',
  scripts: 'scripts that are not the package’s own',
  tls: 'TLS',
  types: 'lists, hashes, sets and others beside strings and streams',
  unix: 'unix sockets',
};

/** Prefixes of the titles of these cases, with the reason. */
const LEFT_OUT = [
  ['B-006 a key of another type is missing from the result', 'types'],
  ['B-020 push rejects on a replica', 'replica'],
  ['B-020 push rejects when Redis refuses one of the keys', 'acl'],
  ['B-102 standalone takes a URL with user', 'acl'],
  ['B-104 a client sends commands and pipelines, emits its states, and closes', 'types'],
  ['B-104 a selected database stays selected', 'databases'],
  ['B-104 a transaction resolves with its results', 'types'],
  ['B-104 a user without a right gets NOPERM', 'acl'],
  ['B-104 an error has code, command and node', 'types'],
  ['B-104 an error in a pipeline is that command’s alone', 'types'],
  ['B-104 blocking commands delay no other command', 'types'],
  ['B-104 every command is a method', 'types'],
  ['B-104 integers beyond 2^53', 'scripts'],
  ['B-104 pending commands fail when the client is closed', 'types'],
  ['B-104 the commands work in a pipeline', 'types'],
  ['B-118 a missing right fails only that command', 'acl'],
  ['B-118 the right password is accepted', 'acl'],
  ['B-119 on a replica', 'replica'],
  ['B.6 a large error loses no completion', 'limits'],
  ['a URL means the same as in ioredis', 'databases'],
  ['a consumer of a Cluster reads ahead', 'cluster'],
  ['a consumer that may not remove entries reports it once', 'acl'],
  ['a failed job that is dead-lettered keeps its failure', 'acl'],
  ['a live history survives cut connections and restarts', 'aof'],
  ['a consumer owns nothing while another one has the lease', 'types'],
  ['a job that fails blocks its key only', 'types'],
  ['a job whose retries end lets the next one', 'types'],
  ['a prefetched key that was missing or of another type', 'types'],
  ['a received failure is not recorded', 'acl'],
  ['a refused listen() to the own jobs leaves no send waiting', 'acl'],
  ['a refused outcome record fails the settlement', 'acl'],
  ['a refused subscription is repeated', 'acl'],
  ['a unix socket is named by its URL', 'unix'],
  ['a user without the right to XINFO', 'acl'],
  ['a stop of the bus releases the partitions', 'types'],
  ['an entry delivered to an idle consumer just before its removal', 'pauses'],
  ['an object of the class URL is accepted', 'databases'],
  ['an owner that has lost its partition', 'types'],
  ['an unreadable entry is reported as exhausted', 'acl'],
  ['db, connectionName and username apply to every connection', 'acl'],
  ['jobs of one key run one after the other', 'types'],
  ['jobs of several nodes and of a Cluster start', 'cluster'],
  ['jobs settle that end while Redis closes an overloaded subscriber', 'limits'],
  ['on a Cluster acknowledged entries go', 'cluster'],
  ['jobs without a key have no order', 'types'],
  ['on a Cluster connections to all nodes', 'cluster'],
  ['on several nodes and a Cluster sendAll()', 'cluster'],
  ['options in the URL take precedence', 'databases'],
  ['ordered jobs of a limited stream', 'types'],
  ['partitions move to a consumer that comes', 'types'],
  ['path is a unix socket', 'unix'],
  ['sendAll() with atomic sends nothing', 'acl'],
  ['the option commandTimeout does', 'types'],
  ['the option db does', 'databases'],
  ['the option keyPrefix of a Cluster', 'cluster'],
  ['the option path does', 'unix'],
  ['the option redisOptions of a Cluster', 'cluster'],
  ['the option scaleReads of a Cluster', 'cluster'],
  ['the option tls does', 'tls'],
  ['the option username does', 'acl'],
  ['without Redis no job starts, and the window', 'aof'],
];

/** Returns the reason to leave a case out, if there is one. @returns {string | undefined} */
function whyLeftOut(title) {
  const [, reason] = LEFT_OUT.find(([beginning]) => title.startsWith(beginning)) ?? [];
  return REASONS[reason];
}

module.exports = { REASONS, LEFT_OUT, whyLeftOut };
