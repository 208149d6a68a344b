'use strict';

/* Sizes of pages of entries, `[id, fields]`. The first page is small, since an entry can be large. */

const FIRST_PAGE = 10;
const MOST_IN_PAGE = 1000;
/** Size of a page that a request aims at, in bytes. */
const PAGE_BYTES = 256 * 1024;

/** Returns the size of the fields of a page, in bytes. */
function sizeOf(page) {
  return page.reduce((sum, [, fields]) => fields.reduce((inner, { length }) => inner + length, sum), 0);
}

/** Returns the number of entries of the next page, so that it has about `PAGE_BYTES`. */
function nextCount(page, size) {
  const average = Math.max(1, size / Math.max(1, page.length));
  return Math.max(1, Math.min(MOST_IN_PAGE, Math.floor(PAGE_BYTES / average)));
}

module.exports = { FIRST_PAGE, nextCount, sizeOf };
