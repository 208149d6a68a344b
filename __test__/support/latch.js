'use strict';

/** A promise that others wait for, and that the test settles. */
class Gate {
  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

module.exports = { Gate };
