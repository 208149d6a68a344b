'use strict';

/** Another screen beside the one that there was, without a cursor, and back. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const CLEAR = '\x1b[H\x1b[J';

/** Shows one page instead of the other on a terminal, and one after the other elsewhere. */
class Screen {
  #out;
  #isTerminal;

  /** @param {boolean} isWanted whether a terminal is to be one */
  constructor(out, isWanted) {
    this.#out = out;
    this.#isTerminal = isWanted && Boolean(out.isTTY);
    if (this.#isTerminal) out.write(ENTER);
  }

  show(page) {
    this.#out.write(this.#isTerminal ? `${CLEAR}${page}\n` : `${page}\n`);
  }

  /** Gives the terminal back as it was. */
  leave() {
    if (this.#isTerminal) this.#out.write(LEAVE);
  }
}

module.exports = { Screen };
