'use strict';

/** Names of keys and channels in Redis, repeated here so that the tests do not depend on the code under test. */
const keys = {
  payload: (job, key, prefix = 'hfxbus') => `${prefix}:job:${job}:${key}`,
  stream: (stream, prefix = 'hfxbus') => `${prefix}:str:${stream}`,
  group: (group, prefix = 'hfxbus') => `${prefix}:csr:${group}`,
  record: (entry, stream, group, prefix = 'hfxbus') => `${prefix}:rec:${entry}:${stream}:${group}`,
  unheard: (entry, stream, group, prefix = 'hfxbus') => `${prefix}:rec:unheard:${entry}:${stream}:${group}`,
  channel: (stream, producer, prefix = 'hfxbus') => `${prefix}:chn:${stream}:${producer}`,
  result: (stream, group, job, prefix = 'hfxbus') => `${prefix}:res:${stream}:${group}:${job}`,
};

module.exports = { keys };
