'use strict';

/**
 * A process that runs jobs and says which it starts, and which it has done. What a job takes is between the two numbers
 * of `data.work`, in ms.
 */
function consume({ hfxbus, options, data, print }) {
  const { ConnectionManager, Consumer } = hfxbus;
  const connection = ConnectionManager.standalone(options);
  const consumer = new Consumer(connection, data.consumer);
  const [least, most] = data.work ?? [0, 0];
  const work = async (job) => {
    print('start', Number(job.id));
    if (most > 0) await new Promise((resolve) => setTimeout(resolve, least + Math.random() * (most - least)));
    if (data.payload) {
      const { body } = await job.get('body').del('body').pull();
      if (body === null) print('absent', Number(job.id));
      else if (!body.equals(Buffer.alloc(data.payload, job.id))) print('wrong', Number(job.id));
    }
    print('done', Number(job.id));
  };
  consumer.process({ stream: data.stream, processor: work, fromId: '0', deadline: 0, ...data.process });
  consumer.on('error', (error) => print('error', error.code, error.message));
  for (const name of ['claimed', 'exhausted', 'trimmed']) consumer.on(name, (entry) => print('event', name, entry));
  consumer.play().then(
    () => print('plays'),
    (error) => print('error', error.code, error.message),
  );
}

module.exports = { consume };
