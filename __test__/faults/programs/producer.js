'use strict';

/**
 * A process that sends jobs numbered from `data.first` on, `data.window` at a time, and says which `send()` has
 * resolved. `data.pace` ms pass between two of a place in the window.
 */
async function produce({ hfxbus, options, data, print }) {
  const { ConnectionManager, Producer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const producer = new Producer(connection);
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  producer.on('error', (error) => print('error', error.code, error.message));
  const end = data.first + data.count;
  let next = data.first;
  let ending = false;
  const send = async (number) => {
    const job = producer.job(String(number));
    try {
      if (data.payload) await job.set('body', Buffer.alloc(data.payload, job.id)).push();
      await producer.send({ stream: data.stream, job, ...data.send });
      print('sent', number);
    } catch (error) {
      print('refused', number, error.code ?? error.message);
      await sleep(20);
    }
  };
  const work = async () => {
    while (next < end && !ending) {
      await send(next++);
      if (data.pace) await sleep(data.pace);
    }
  };
  process.on('SIGTERM', () => {
    ending = true;
  });
  await Promise.all(Array.from({ length: data.window }, work));
  print('over', next - data.first);
  await connection.stop({ force: true });
  process.exit(0);
}

module.exports = { produce };
