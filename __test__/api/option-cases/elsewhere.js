'use strict';

const SENTINEL = '__test__/topologies/sentinel.test.js';
const TLS = '__test__/topologies/tls.test.js';
const ROUTES = '__test__/compat/nodes-routes.test.js';
const PLACEMENT = '__test__/compat/nodes-placement.test.js';
const EJECT = '__test__/api/eject.test.js';

const PASSWORDS = [SENTINEL, 'sentinels that ask for a password get it, and their refusal is told'];
const REPLICA = [SENTINEL, 'with role slave connections go to a replica, the preferred one if it is there'];
const BOTH_TLS = [TLS, 'sentinels and the Redis that they name may both speak TLS, each in its own way'];
const UNUSED = [
  SENTINEL,
  'how connections to sentinels are made again is not asked, and how many there may be changes none',
];

/** Where options that take servers of several kinds are shown to do what they say: file and title, by table. */
module.exports = {
  'options of a Redis that sentinels know': {
    sentinels: [SENTINEL, 'the sentinels say where the primary is, and every connection of the bus goes there'],
    name: [SENTINEL, 'a name that no sentinel knows fails what waits, with their words'],
    role: REPLICA,
    sentinelUsername: PASSWORDS,
    sentinelPassword: PASSWORDS,
    sentinelTLS: BOTH_TLS,
    enableTLSForSentinelMode: BOTH_TLS,
    sentinelRetryStrategy: [SENTINEL, 'sentinelRetryStrategy is asked after each round in vain, and can give up'],
    sentinelCommandTimeout: [SENTINEL, 'commands wait for sentinels that come up later'],
    updateSentinels: [SENTINEL, 'with updateSentinels off only the ones named are asked'],
    failoverDetector: [SENTINEL, 'an announced failover is followed by connections that are in good health'],
    natMap: [SENTINEL, 'natMap says where a server is for us'],
    preferredSlaves: REPLICA,
    sentinelReconnectStrategy: UNUSED,
    sentinelMaxConnections: UNUSED,
  },
  'options of nodes()': {
    nodes: [ROUTES, 'a node may be a URL'],
    sequence: [ROUTES, 'B-107 static routes follow their node when that has another place'],
    staticRoutes: [ROUTES, 'B-107 static routes lead to their node: names by their hash, numbers as the hash'],
    keyPrefix: [PLACEMENT, 'B-101 jobs of nodes with a keyPrefix run, and neither groups nor channels have that'],
    enablePipelining: [PLACEMENT, "B-101 a node's keyPrefix is in front of keys and streams: pipelining "],
    eject: [EJECT, 'a node that is '],
  },
};
