'use strict';

const { METHODS, addCommandMethods } = require('./command-methods.js');
const { RedisCommand } = require('./redis-command.js');

/** Commands that are collected and leave in one write: by its methods, which can be chained, or as a list. */
class RedisPipeline {
  #send;
  #isTransaction;
  #commands = [];
  #openTransactions = 0;
  #results = null;

  /**
   * @param {(commands: RedisCommand[]) => Promise<Array<[Error] | [null, any]>>} send
   * @param {Array<Array<any>>} [list] names of methods, each with its arguments
   * @param {boolean} [isTransaction] whether it is one whole transaction
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

  /** How many commands were collected. */
  get length() {
    return this.#commands.length;
  }

  /** Begins a transaction, which the next `exec()` ends. */
  multi() {
    this.#openTransactions += 1;
    return this.#add('multi', [], false);
  }

  /** Ends the transaction that `multi()` began within; otherwise sends everything. */
  exec(...args) {
    if (args.length > 0) throw new TypeError('exec() takes no arguments: what comes of it comes by its promise');
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

/** What the commands within gave, which is what EXEC, the last of all, gave. */
function ofTransaction(all) {
  const [error, results] = all[all.length - 1];
  if (!error) return pairs(results);
  error.previousErrors = all.slice(0, -1).flatMap(([earlier]) => earlier ?? []);
  throw error;
}

/** What EXEC gave, in the form of a pipeline's results; null if a watched key has changed. */
function pairs(results) {
  return results?.map((result) => (result instanceof Error ? [result] : [null, result])) ?? null;
}

module.exports = { RedisPipeline, pairs };
