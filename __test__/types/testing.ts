import { ConnectionManager } from 'hfxbus';
import { type Chaos, EmbeddedRedis, type EmbeddedRedisOptions } from 'hfxbus/testing';

const chaos: Chaos = { seed: 1, delay: 5, dropConnection: 0.1, duplicateDelivery: 0.5, loseCompletion: 1 };
const options: EmbeddedRedisOptions = { port: 0, password: 'x', maxMemory: 1, seed: 2, clock: 'manual', chaos };

export async function accepted(): Promise<void> {
  const redis: EmbeddedRedis = await EmbeddedRedis.start(options);
  const port: number = redis.port;
  ConnectionManager.standalone(redis.url);
  redis.advance(port);
  await redis.stop();
  await EmbeddedRedis.start();
}

export async function refused(redis: EmbeddedRedis): Promise<void> {
  // @ts-expect-error there is no such clock
  await EmbeddedRedis.start({ clock: 'fast' });
  // @ts-expect-error a server is started, not made
  new EmbeddedRedis();
  // @ts-expect-error where it listens is decided
  redis.port = 1;
  // @ts-expect-error odds are numbers
  await EmbeddedRedis.start({ chaos: { dropConnection: true } });
}
