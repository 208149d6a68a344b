'use strict';

const { BasePart } = require('./part.js');

/** Runs backlogs. */
class Part extends BasePart {
  /** @returns how many jobs have run: all of them, or what could be done in so many seconds */
  async drain(stream, { jobs, concurrency, seconds }) {
    let done = 0;
    let end;
    const isOver = new Promise((resolve) => {
      end = resolve;
    });
    const timer = setTimeout(end, seconds * 1000);
    const onJob = () => {
      done++;
      if (done === jobs) end();
    };
    await this.program.drain(stream, concurrency, onJob, isOver);
    clearTimeout(timer);
    if (done === 0) throw new Error('no job has run');
    return done;
  }
}

module.exports = { Part };
