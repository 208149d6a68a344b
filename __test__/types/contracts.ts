/** Types of contracts: from `send()` to `pull()`, and per group to `finished()`. */
import { type } from 'arktype';
import { type Consumer, ContractError, defineStream, type Producer } from 'hfxbus';
import * as v from 'valibot';
import * as z from 'zod';

declare const producer: Producer;
declare const consumer: Consumer;

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | undefined => undefined;

const orders = defineStream({
  name: 'orders',
  payload: {
    order: z.object({ item: z.string(), at: z.iso.datetime().transform((text) => new Date(text)) }),
    note: z.string().optional(),
    size: z.number().default(1),
    address: v.object({ city: v.string() }),
    tags: type('string[]'),
    scan: { format: 'bytes' },
    photo: { format: 'bytes', optional: true, timeout: 60_000 },
    weight: { schema: z.number(), timeout: 60_000 },
  },
  results: {
    billing: { invoice: z.object({ total: z.number(), due: z.coerce.date() }), pdf: { format: 'bytes' } },
    shipping: {},
  },
  check: { send: 'on', receive: 'tests' },
});

const payload = {
  order: { item: 'tea', at: '2026-01-01T00:00:00Z' },
  address: { city: 'Rome' },
  tags: ['a'],
  scan: new Uint8Array(1),
  weight: 5,
};

export async function accepted(): Promise<void> {
  const sent = await orders.send(
    producer,
    { ...payload, note: 'n', photo: Buffer.from('x') },
    { waitFor: ['billing'] },
  );
  const { billing } = await sent.finished({ timeout: 5 });
  if (billing.status === 'fulfilled') {
    holds<Equal<typeof billing.value, { invoice: { total: number; due: Date }; pdf: Uint8Array }>>();
    holds<Equal<typeof billing.at, Date>>();
  } else if (billing.reason instanceof ContractError) billing.reason.issues.map(({ key, path }) => [key, ...path]);
  const both = await orders.sendAll(producer, [{ values: payload, jobId: 'j', waitFor: ['billing', 'shipping'] }], {
    atomic: true,
  });
  const outcome = await both[0].finished();
  holds<Equal<keyof typeof outcome, 'billing' | 'shipping'>>();

  orders.process(consumer, {
    group: 'billing',
    deadline: 5,
    processor: async (job) => {
      const all = await job.pull();
      holds<
        Equal<
          typeof all,
          {
            order: { item: string; at: Date };
            note: string | undefined;
            size: number;
            address: { city: string };
            tags: string[];
            scan: Uint8Array;
            photo: Uint8Array | undefined;
            weight: number;
          }
        >
      >();
      const some = await job.pull('size', 'order');
      holds<Equal<typeof some, { size: number; order: { item: string; at: Date } }>>();
      job.job.get('more').del('more');
      return { invoice: { total: some.size, due: new Date() }, pdf: all.scan };
    },
  });
  orders.process(consumer, { group: 'shipping', processor: async () => {} });
  orders.process(consumer, {
    group: 'billing',
    batch: { size: 5 },
    processor: async (jobs) => jobs[0].answer({ invoice: { total: 1, due: 0 }, pdf: new Uint8Array() }),
  });

  const events = defineStream({ name: 'events', payload: { event: z.string() } });
  const event = await events.send(producer, { event: 'e' }, { waitFor: ['any', 'group'] });
  const { any } = await event.finished();
  if (any.status === 'fulfilled') holds<Equal<keyof typeof any.value, never>>();
  events.process(consumer, { group: 'any', processor: ({ id }) => id.length });
}

export async function refused(): Promise<void> {
  // @ts-expect-error a value has the wrong type
  await orders.send(producer, { ...payload, weight: '5' });
  // @ts-expect-error a key is missing
  await orders.send(producer, { order: payload.order });
  // @ts-expect-error a key is not declared
  await orders.send(producer, { ...payload, other: 5 });
  // @ts-expect-error a group is not declared
  await orders.send(producer, payload, { waitFor: ['nobody'] });
  // @ts-expect-error the stream is that of the contract
  await orders.send(producer, payload, { stream: 'other' });
  const sent = await orders.send(producer, payload, { waitFor: ['billing'] });
  // @ts-expect-error the group is not waited for
  (await sent.finished()).shipping;
  // @ts-expect-error a group is not declared
  orders.process(consumer, { group: 'nobody', processor: async () => {} });
  // @ts-expect-error a key is not declared
  orders.process(consumer, { group: 'shipping', processor: async (job) => job.pull('nothing') });
  // @ts-expect-error the result has the wrong type
  orders.process(consumer, { group: 'billing', processor: async () => ({ invoice: { total: '5' } }) });
  // @ts-expect-error a schema is missing
  defineStream({ name: 's', payload: { key: { timeout: 5 } } });
  // @ts-expect-error a schema is none
  defineStream({ name: 's', payload: { key: 'string' } });
  // @ts-expect-error a mode is misspelt
  defineStream({ name: 's', payload: {}, check: 'of' });
  // @ts-expect-error errors are made by the package
  new ContractError('send', 's', []);
}
