import { ConnectionManager, Consumer, Producer } from 'hfxbus';

type Event = { account: string; change: number; command: string };
type Command = { account: string; change: number };

const connection = ConnectionManager.standalone(process.env.REDIS_URL);
const producer = new Producer(connection);
const stopping = new AbortController();

/** Balances of all accounts, as the events so far give them. */
class Balances {
  readonly #balances = new Map<string, number>();
  readonly #commands = new Set<string>();

  apply({ account, change, command }: Event) {
    this.#balances.set(account, this.of(account) + change);
    this.#commands.add(command);
  }

  of(account: string) {
    return this.#balances.get(account) ?? 0;
  }

  has(command: string) {
    return this.#commands.has(command);
  }
}

// Write side: one consumer decides on commands, one after the other, from the history of the events.
const state = new Balances();
let last = '0';
const catchUp = async () => {
  for await (const { id, values } of connection.history({ stream: 'events', fromId: last })) {
    state.apply(values.event);
    last = id;
  }
};
const commands = new Consumer(connection, { group: 'bank', concurrency: 1, claimInterval: 1000, claimDeadline: 5000 });
commands.process({
  stream: 'commands',
  fromId: '0',
  processor: async (job) => {
    const { command } = await job.get('command', false).pull<{ command: Command }>();
    await catchUp();
    // A command that runs again, after a crash, has its event already.
    if (state.has(job.id)) return;
    if (state.of(command.account) + command.change < 0) throw new Error(`${command.account} has too little`);
    const event: Event = { ...command, command: job.id };
    await producer.send({ stream: 'events', job: producer.job().set('event', event), payload: 'entry' });
  },
});
await commands.play();

// Read side: a projection has the history first, and then every new event, at its own pace.
const projection = new Balances();
const following = (async () => {
  const events = connection.history({ stream: 'events', live: true, signal: stopping.signal });
  for await (const { values } of events) projection.apply(values.event);
})().catch((error) => {
  if (!stopping.signal.aborted) throw error;
});

/** Sends a command and waits for its decision. */
async function order(account: string, change: number) {
  const job = producer.job().set('command', { account, change });
  await producer.send({ stream: 'commands', job, payload: 'entry', waitFor: ['bank'] });
  const { bank } = await job.finished({ timeout: 5000 });
  return bank instanceof Date ? 'done' : bank.message;
}

console.log(await order('ann', 70));
// → done
console.log(await order('ann', -20));
// → done
console.log(await order('ann', -60));
// → ann has too little
await new Promise<void>((resolve) => {
  const check = () => (projection.of('ann') === 50 ? resolve() : setTimeout(check, 5));
  check();
});
console.log(projection.of('ann'));
// → 50

// A new projection needs no migration: it begins at the first event.
const turnover = new Map<string, number>();
for await (const { values } of connection.history({ stream: 'events', fromId: '0' })) {
  const { account, change } = values.event;
  turnover.set(account, (turnover.get(account) ?? 0) + Math.abs(change));
}
console.log(turnover.get('ann'));
// → 90

stopping.abort();
await following;
await connection.stop();
