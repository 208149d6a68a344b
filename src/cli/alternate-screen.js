'use strict';

/** Enters the alternate screen of a terminal and hides the cursor; `LEAVE` undoes both. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const CLEAR = '\x1b[H\x1b[J';

/** Shows pages in place of each other on a terminal, and one after the other elsewhere. */
class AlternateScreen {
  #out;
  #isTerminal;

  /** @param {boolean} isWanted false to print page after page on a terminal too */
  constructor(out, isWanted) {
    this.#out = out;
    this.#isTerminal = isWanted && Boolean(out.isTTY);
    if (this.#isTerminal) out.write(ENTER);
  }

  show(page) {
    this.#out.write(this.#isTerminal ? `${CLEAR}${page}\n` : `${page}\n`);
  }

  /** Restores the terminal. */
  leave() {
    if (this.#isTerminal) this.#out.write(LEAVE);
  }
}

module.exports = { AlternateScreen };
