'use strict';

/** Time between two samples that are kept, in ms, and the number that is kept: an hour. */
const STEP = 5000;
const MOST_SAMPLES = 720;
/** Maximum number of series. Each takes up to 29 KB. */
const MOST_SERIES = 500;

/** Figures of one subject over an hour. A later sample of the same step replaces the earlier one. */
class Series {
  #steps = [];
  #values = [];
  /** Number of removed samples at the beginning of the arrays. */
  #begin = 0;

  add(at, values) {
    const step = Math.floor(at / STEP);
    if (this.#steps.at(-1) === step) this.#values[this.#values.length - 1] = values;
    else {
      this.#steps.push(step);
      this.#values.push(values);
    }
    while (this.#steps[this.#begin] <= step - MOST_SAMPLES) this.#begin++;
    if (this.#begin > MOST_SAMPLES) this.#compact();
  }

  /** Returns the times in s and the values of each figure, for a chart. */
  columns(width) {
    const steps = this.#steps.slice(this.#begin);
    const values = this.#values.slice(this.#begin);
    const times = steps.map((step) => (step * STEP) / 1000);
    return [times, ...Array.from({ length: width }, (_, at) => values.map((sample) => sample[at]))];
  }

  /** Returns the newest values of one figure as `count` points, each the largest of its steps; `null` for a gap. */
  spark(at, now, count, stepsPerPoint) {
    const points = new Array(count).fill(null);
    const end = Math.floor(now / STEP);
    for (let index = this.#steps.length - 1; index >= this.#begin; index--) {
      const place = count - 1 - Math.floor((end - this.#steps[index]) / stepsPerPoint);
      if (place < 0) break;
      const value = this.#values[index][at];
      if (value !== null && place < count) points[place] = Math.max(points[place] ?? 0, value);
    }
    return points;
  }

  #compact() {
    this.#steps = this.#steps.slice(this.#begin);
    this.#values = this.#values.slice(this.#begin);
    this.#begin = 0;
  }
}

/** Series by name. Beyond the limit, the series that was written longest ago gives way. */
class History {
  /** @type {Map<string, Series>} the series that was written last is at the end */
  #series = new Map();

  add(name, at, values) {
    const series = this.#series.get(name) ?? new Series();
    this.#series.delete(name);
    this.#series.set(name, series);
    series.add(at, values);
    if (this.#series.size > MOST_SERIES) this.#series.delete(this.#series.keys().next().value);
  }

  get(name) {
    return this.#series.get(name) ?? NONE;
  }

  get size() {
    return this.#series.size;
  }
}

const NONE = new Series();

module.exports = { History, MOST_SERIES };
