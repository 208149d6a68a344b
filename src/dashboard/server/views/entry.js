'use strict';

const { isEntryId } = require('../../../facade/redis/entry-ids.js');
const { record } = require('../../../inspection/streams.js');
const { HttpError } = require('../http-error.js');

/** Resolves with the job of an entry. */
async function entry(bus, stream, id) {
  if (!isEntryId(id)) throw new HttpError(400, 'The id of an entry has the form time-sequence.');
  const replies = bus.partsOf(stream).map(({ server, key }) => server.client.call('xrange', key, id, id));
  const [found] = (await Promise.all(replies)).flat();
  if (found === undefined) throw new HttpError(404, 'There is no such entry: it was trimmed or deleted.');
  return { id, jobId: record(found[1]).job ?? '' };
}

module.exports = { entry };
