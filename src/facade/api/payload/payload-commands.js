'use strict';

const { Operation } = require('../../bridge/native.js');
const packetWriter = require('../../bridge/packet-writer.js');
const requests = require('../../bridge/pending-requests.js');
const { setErrorKind } = require('../../support/errors.js');
const { readStored } = require('../codecs/stored-value.js');
const { put } = require('./payload-values.js');

/** Packs writes of payload keys. @returns {Promise<void>} promise of the request */
function packPush(request, [link, id], sets) {
  packetWriter.begin(Operation.Push);
  packetWriter.writeNumber(link);
  packetWriter.writeRequest(request);
  packetWriter.writeNumber(sets.length);
  packetWriter.writeString(id);
  for (const { key, value, timeout } of sets) {
    packetWriter.writeString(key);
    packetWriter.writeNumber(timeout);
    packetWriter.writeWord(value);
  }
  packetWriter.end();
  return request.promise;
}

/**
 * Packs reads of payload keys, and removals behind them.
 * @param {import('../codecs/value-codecs.js').ValueCodecs | null | undefined} codecs
 * @returns {Promise<object>} `result` with the values
 */
function packPull([link, id], gets, dels, result, codecs) {
  const request = new PullRequest(gets, result, codecs, id);
  packetWriter.begin(Operation.Pull);
  packetWriter.writeNumber(link);
  packetWriter.writeRequest(request);
  packetWriter.writeNumber(gets.length);
  packetWriter.writeNumber(dels.length);
  packetWriter.writeString(id);
  for (const { key, asBuffer } of gets) {
    packetWriter.writeString(key);
    // An encoded value is no text.
    packetWriter.writeNumber(asBuffer || codecs ? 0 : 1);
  }
  for (const key of dels) packetWriter.writeString(key);
  packetWriter.end();
  return request.promise;
}

class PullRequest extends requests.Request {
  constructor(gets, result, codecs, jobId) {
    super(result);
    this.gets = gets;
    this.codecs = codecs;
    this.jobId = jobId;
  }

  /** Receives a value. A key of another type than string is left out. */
  value(index, raw) {
    const { key, asBuffer, isMissed } = this.gets[index];
    if (raw === null && isMissed) this.failed(answerMissed(key));
    try {
      put(this.result, key, raw === null ? null : readStored(raw, key, asBuffer, this.codecs, this.jobId));
    } catch (error) {
      this.failed(error);
    }
  }
}

/** Creates the error of a read whose answer nothing has. */
function answerMissed(key) {
  const message = `The completion that returned '${key}' was missed, and its entry was the only copy; send with durable`;
  return setErrorKind(new Error(message), 'ANSWER_MISSED');
}

module.exports = { packPull, packPush };
