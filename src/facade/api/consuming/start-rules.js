'use strict';

/** Streams of a consumer whose jobs start by a rule: by fair dispatch, or by a rate limit. One consumer has one kind of them. */
class StartRules {
  #fair = new Set();
  #limited = new Set();

  /** Sets the rules of a stream. */
  set(name, { fair, limit }) {
    const other = fair === undefined ? this.#fair : this.#limited;
    const hasOther = [...other].some((stream) => stream !== name);
    if ((fair !== undefined && limit !== undefined) || (hasOther && (fair ?? limit) !== undefined)) {
      // Permits and shares would choose different jobs for the same slots.
      throw new TypeError('limit and fair exclude each other in one consumer: use another consumer for one of them');
    }
    put(this.#fair, name, fair);
    put(this.#limited, name, limit);
  }
}

function put(streams, name, rule) {
  if (rule === undefined) streams.delete(name);
  else streams.add(name);
}

module.exports = { StartRules };
