'use strict';

const { CallFlag, Operation } = require('../bridge/native.js');
const packetWriter = require('../bridge/packet-writer.js');
const requests = require('../bridge/pending-requests.js');

/** Request of user commands in one write. Resolves with error and result of each. */
class CallRequest extends requests.Request {
  #commands;
  #stringNumbers;

  constructor(commands, stringNumbers) {
    super([]);
    this.#commands = commands;
    this.#stringNumbers = stringNumbers;
  }

  /** @param {number} link number of the connection in the engine */
  send(link) {
    if (this.#commands.length === 0) {
      this.resolve(this.result);
      return;
    }
    const transactions = transactionsOf(this.#commands);
    let number;
    for (const [index, command] of this.#commands.entries()) {
      if (index === 0) packetWriter.begin(Operation.Call);
      else packetWriter.writeNumber(Operation.Call);
      packetWriter.writeNumber(link);
      if (index === 0) number = packetWriter.writeRequest(this);
      else packetWriter.writeNumber(number);
      packetWriter.writeNumber(index);
      packetWriter.writeNumber(this.#flags(index, transactions[index]));
      packetWriter.writeNumber(command.firstKey);
      packetWriter.writeNumber(command.words.length);
      for (const word of command.words) packetWriter.writeWord(word);
      if (transactions[index]?.key !== undefined) packetWriter.writeWord(transactions[index].key);
    }
    packetWriter.end();
  }

  #flags(index, transaction) {
    return (
      (index === this.#commands.length - 1 ? CallFlag.Last : 0) |
      (transaction !== undefined && transaction.first !== index ? CallFlag.Follows : 0) |
      (this.#commands[index].isSentOnce ? CallFlag.Once : 0) |
      (transaction?.key !== undefined ? CallFlag.Beside : 0)
    );
  }

  called(index, error, value) {
    if (error) {
      error.command = this.#commands[index].name;
      this.result[index] = [error];
    } else {
      this.result[index] = [null, this.#reply(index, value)];
    }
  }

  #reply(index, value) {
    const command = this.#commands[index];
    const first = index - (value?.length ?? 0);
    const isOfTransaction = command.name === 'EXEC' && Array.isArray(value) && first >= 0;
    if (!isOfTransaction) return command.reply(value, this.#stringNumbers);
    return value.map((reply, nth) => this.#replyWithin(this.#commands[first + nth], reply));
  }

  #replyWithin(command, reply) {
    if (!(reply instanceof Error)) return command.reply(reply, this.#stringNumbers);
    reply.command = command.name;
    return reply;
  }
}

/** Request of one command. Resolves with its result. */
class SingleCall extends CallRequest {
  done() {
    const [[error, result]] = this.result;
    if (error) this.reject(error);
    else this.resolve(result);
  }
}

/**
 * Returns the transaction of each command. A command follows its MULTI, and the first key decides on the node of them all.
 * @returns {Array<{ first: number, key?: string | Uint8Array } | undefined>}
 */
function transactionsOf(commands) {
  let transaction;
  return commands.map(({ name, words, firstKey }, index) => {
    if (name === 'MULTI') transaction ??= { first: index, key: undefined };
    const within = transaction;
    if (within) within.key ??= words[firstKey];
    if (name === 'EXEC' || name === 'DISCARD') transaction = undefined;
    return within;
  });
}

module.exports = { CallRequest, SingleCall };
