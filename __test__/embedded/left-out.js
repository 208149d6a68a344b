'use strict';

/** Why a case does not run on the embedded server: it is about what that does not have. */
const REASONS = {
  acl: 'users and their rights',
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

/** What the titles of such cases begin with. */
const LEFT_OUT = [
  ['B-006 a key of another type is missing from the result', 'types'],
  ['B-020 push rejects on a replica', 'replica'],
  ['B-020 push rejects when Redis refuses one of the keys', 'acl'],
  ['B-102 standalone takes a URL: who, where, which database', 'acl'],
  ['B-104 a client sends commands and pipelines, emits its states, and closes', 'types'],
  ['B-104 a selected database stays selected', 'databases'],
  ['B-104 a transaction resolves with its results', 'types'],
  ['B-104 a user without a right gets NOPERM', 'acl'],
  ['B-104 an error has code, command and node', 'types'],
  ['B-104 an error in a pipeline is that command’s alone', 'types'],
  ['B-104 commands that wait hold nobody else up', 'types'],
  ['B-104 every command is a method', 'types'],
  ['B-104 integers beyond 2^53', 'scripts'],
  ['B-104 the same in a pipeline', 'types'],
  ['B-104 what a client waits for fails when it is closed', 'types'],
  ['B-118 a user who lacks a right', 'acl'],
  ['B-118 the right password, with or without a name', 'acl'],
  ['B-119 on a replica', 'replica'],
  ['B.6 a large error loses no completion', 'limits'],
  ['a URL is taken as ioredis takes it', 'databases'],
  ['a failure that was heard is not recorded', 'acl'],
  ['a job that failed and was given up is not taken for a success', 'acl'],
  ['a user who may not look hears', 'acl'],
  ['a record that Redis refuses fails the settlement', 'acl'],
  ['an entry that a name is given between the look and the removal', 'pauses'],
  ['a unix socket is named by its URL', 'unix'],
  ['an entry that cannot be looked at yet is reported as exhausted', 'acl'],
  ['an object of the class URL is a URL', 'databases'],
  ['db, connectionName and username are what every connection has', 'acl'],
  ['jobs of several nodes and of a Cluster begin', 'cluster'],
  ['on a Cluster connections to all nodes', 'cluster'],
  ['path is a unix socket', 'unix'],
  ['the option commandTimeout does', 'types'],
  ['the option db does', 'databases'],
  ['the option keyPrefix of a Cluster', 'cluster'],
  ['the option path does', 'unix'],
  ['the option redisOptions of a Cluster', 'cluster'],
  ['the option scaleReads of a Cluster', 'cluster'],
  ['the option tls does', 'tls'],
  ['the option username does', 'acl'],
  ['what Redis refused to subscribe again', 'acl'],
  ['what was not there yet, or is no payload', 'types'],
  ['what ends while Redis closes a subscriber', 'limits'],
  ['what is in the URL goes before the options beside it', 'databases'],
];

/** Why a case is left out, if it is. @returns {string | undefined} */
function whyLeftOut(title) {
  const [, reason] = LEFT_OUT.find(([beginning]) => title.startsWith(beginning)) ?? [];
  return REASONS[reason];
}

module.exports = { REASONS, LEFT_OUT, whyLeftOut };
