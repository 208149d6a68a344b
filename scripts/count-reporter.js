'use strict';

/** A reporter for `node --test` that writes how many tests passed, failed and were skipped, as one line of JSON. */
module.exports = async function* countReporter(events) {
  const counts = { passed: 0, failed: 0, skipped: 0, leftOut: 0, bySubject: {} };
  for await (const { type, data } of events) {
    if (type === 'test:stdout' && data.message.startsWith('left out: ')) counts.leftOut++;
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue;
    if (data.skip !== undefined || data.todo !== undefined) {
      counts.skipped++;
    } else if (type === 'test:fail') {
      counts.failed++;
    } else {
      counts.passed++;
      const subject = data.name.match(/\(([^()]+)\)$/)?.[1];
      if (subject !== undefined) counts.bySubject[subject] = (counts.bySubject[subject] ?? 0) + 1;
    }
  }
  yield `${JSON.stringify(counts)}\n`;
};
