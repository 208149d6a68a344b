'use strict';

/** What things are called in Redis, written down once more so that the tests do not ask what they test. */
const keys = {
  payload: (job, key, prefix = 'hfxbus') => `${prefix}:job:${job}:${key}`,
  stream: (stream, prefix = 'hfxbus') => `${prefix}:str:${stream}`,
  group: (group, prefix = 'hfxbus') => `${prefix}:csr:${group}`,
  record: (entry, stream, group, prefix = 'hfxbus') => `${prefix}:rec:${entry}:${stream}:${group}`,
  unheard: (entry, stream, group, prefix = 'hfxbus') => `${prefix}:rec:unheard:${entry}:${stream}:${group}`,
  channel: (stream, producer, prefix = 'hfxbus') => `${prefix}:chn:${stream}:${producer}`,
};

module.exports = { keys };
