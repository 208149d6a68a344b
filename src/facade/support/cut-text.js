'use strict';

/** Marks a value that did not fit, and the end of a text that was cut. */
const TRUNCATED = '[Truncated]';

/**
 * Returns the text, or its beginning if it is larger than `most`.
 * @param {(text: string) => number} size
 */
function cutText(text, most, size) {
  if (text.length <= most && size(text) <= most) return text;
  const mark = `… ${TRUNCATED}`;
  let end = Math.min(text.length, most);
  for (;;) {
    // The cut must not split a surrogate pair.
    const isHalf = /[\ud800-\udbff]/.test(text.charAt(end - 1));
    const cut = text.slice(0, isHalf ? end - 1 : end) + mark;
    const excess = size(cut) - most;
    if (excess <= 0 || end === 0) return cut;
    end = Math.max(0, Math.min(end - 1, Math.floor(end * (most / (most + excess)))));
  }
}

module.exports = { TRUNCATED, cutText };
