/** Values with the types of the packages below 2.x can be passed unchanged. */
import EventEmitter from 'eventemitter3';
import { ConnectionManager, Consumer, Producer } from 'hfxbus';
import type { RedisOptions } from 'ioredis';

declare const shared: RedisOptions;

export const connections: ConnectionManager[] = [
  ConnectionManager.standalone(shared),
  ConnectionManager.standalone({ ...shared, keyPrefix: 'k', enablePipelining: false }),
  ConnectionManager.nodes({ nodes: [{ ...shared, sequence: 1 }] }),
  ConnectionManager.cluster([{ host: 'h', port: 1 }], { redisOptions: shared }),
];

export const emitters: EventEmitter[] = [new Producer(connections[0]), new Consumer(connections[0], { group: 'g' })];
