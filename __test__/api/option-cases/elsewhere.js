'use strict';

const SENTINEL = '__test__/topologies/sentinel.test.js';
const TLS = '__test__/topologies/tls.test.js';
const ROUTES = '__test__/compat/nodes-routes.test.js';
const PLACEMENT = '__test__/compat/nodes-placement.test.js';
const EJECT = '__test__/api/eject.test.js';

const PASSWORDS = [SENTINEL, 'sentinels get the password that they require, and their refusal is reported'];
const REPLICA = [SENTINEL, 'with role slave connections go to a replica, the preferred one if it is available'];
const BOTH_TLS = [TLS, 'sentinels and the Redis that they name can both use TLS, each with its own options'];
const UNUSED = [
  SENTINEL,
  'sentinelReconnectStrategy is never called, and sentinelMaxConnections does not change the connections',
];

/** Cases of options that need servers of other kinds: file and title, by table. */
module.exports = {
  'options of a Redis that sentinels know': {
    sentinels: [SENTINEL, 'every connection of the bus goes to the primary that the sentinels name'],
    name: [SENTINEL, 'a name that no sentinel knows fails waiting calls with the error of the sentinels'],
    role: REPLICA,
    sentinelUsername: PASSWORDS,
    sentinelPassword: PASSWORDS,
    sentinelTLS: BOTH_TLS,
    enableTLSForSentinelMode: BOTH_TLS,
    sentinelRetryStrategy: [SENTINEL, 'sentinelRetryStrategy is called after each failed round, and can give up'],
    sentinelCommandTimeout: [SENTINEL, 'commands wait for sentinels that come up later'],
    updateSentinels: [SENTINEL, 'with updateSentinels off only the given sentinels are queried'],
    failoverDetector: [SENTINEL, 'healthy connections follow an announced failover'],
    natMap: [SENTINEL, 'natMap translates the addresses of servers'],
    preferredSlaves: REPLICA,
    sentinelReconnectStrategy: UNUSED,
    sentinelMaxConnections: UNUSED,
  },
  'options of nodes()': {
    nodes: [ROUTES, 'a node may be a URL'],
    sequence: [ROUTES, 'B-107 static routes follow their node when its position changes'],
    staticRoutes: [ROUTES, 'B-107 static routes lead to their node: names by their hash, numbers as the hash'],
    keyPrefix: [PLACEMENT, 'B-101 jobs of nodes with a keyPrefix run; groups and channels do not have the prefix'],
    enablePipelining: [PLACEMENT, "B-101 a node's keyPrefix is in front of keys and streams: pipelining "],
    eject: [EJECT, 'a node that is '],
  },
};
