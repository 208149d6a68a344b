'use strict';

const { METHODS, addCommandMethods } = require('./command-methods.js');
const { RedisCommand } = require('./redis-command.js');

/** Pipeline: collects commands, by chained methods or from a list, and sends them in one write. */
class RedisPipeline {
  #send;
  #isTransaction;
  #commands = [];
  #openTransactions = 0;
  #results = null;

  /**
   * @param {(commands: RedisCommand[]) => Promise<Array<[Error] | [null, any]>>} send
   * @param {Array<Array<any>>} [list] commands, each an array of a method's name and its arguments
   * @param {boolean} [isTransaction] true if the whole pipeline is one transaction
   */
  constructor(send, list, isTransaction = false) {
    this.#send = send;
    this.#isTransaction = isTransaction;
    if (isTransaction) this.multi();
    if (list !== undefined && list !== null) this.#addAll(list);
  }

  static {
    addCommandMethods(RedisPipeline, (pipeline, ...given) => pipeline.#add(...given));
  }

  /** Returns the number of collected commands. */
  get length() {
    return this.#commands.length;
  }

  /** Begins a transaction. The next `exec()` ends it. */
  multi() {
    this.#openTransactions += 1;
    return this.#add('multi', [], false);
  }

  /** Ends a transaction that `multi()` has begun within the pipeline; otherwise sends the pipeline. */
  exec(...args) {
    if (args.length > 0) throw new TypeError('exec() takes no callback; it returns a promise');
    if (this.#results !== null) return this.#results;
    if (this.#openTransactions > 0) {
      this.#endTransaction();
      if (!this.#isTransaction) return this;
    }
    const results = this.#send(this.#commands);
    this.#results = this.#isTransaction ? results.then(ofTransaction) : results;
    return this.#results;
  }

  #endTransaction() {
    this.#openTransactions -= 1;
    this.#add('exec', [], false);
  }

  #add(name, args, asBytes) {
    if (this.#results !== null) throw new Error('the pipeline was sent already');
    this.#commands.push(new RedisCommand(name, args, asBytes));
    return this;
  }

  #addAll(list) {
    if (!Array.isArray(list)) throw new TypeError('commands must be an array of commands');
    for (const [index, command] of list.entries()) {
      if (!Array.isArray(command)) throw new TypeError(`commands[${index}] must be an array`);
      const [method, ...args] = command;
      if (method === 'exec') this.#endTransaction();
      else if (METHODS.has(method)) this[method](...args);
      else this.call(method, ...args);
    }
  }
}

/** Returns the results of a transaction, which are the reply to EXEC, the last command. */
function ofTransaction(all) {
  const [error, results] = all[all.length - 1];
  if (!error) return pairs(results);
  error.previousErrors = all.slice(0, -1).flatMap(([earlier]) => earlier ?? []);
  throw error;
}

/** Converts the reply to EXEC into results of a pipeline; `null` if a watched key has changed. */
function pairs(results) {
  return results?.map((result) => (result instanceof Error ? [result] : [null, result])) ?? null;
}

module.exports = { RedisPipeline, pairs };
