'use strict';

const processRef = require('./process-ref.js');

/*
 * What was asked of the engine and is not done yet, by number. The engine reports `failed` any number of times and
 * `done` once, last; only then the number is free again.
 */
const open = [null];
const free = [];
/** How many free numbers are kept when no other is in use. */
const KEPT = 64 * 1024;

/** A request whose promise is settled when it is done. */
class Request {
  constructor(result) {
    this.result = result;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  done() {
    this.resolve(this.result);
  }

  failed(error) {
    this.reject(error);
  }
}

/** @returns {number} the number under which the engine will report */
function add(request) {
  const number = free.length > 0 ? free.pop() : open.length;
  open[number] = request;
  processRef.addPending(1);
  return number;
}

function get(number) {
  return open[number];
}

function done(number) {
  release(number).done();
}

/** Frees a number. @returns {Request} its request */
function release(number) {
  const request = open[number];
  open[number] = null;
  free.push(number);
  if (free.length === open.length - 1 && free.length > KEPT) {
    // A burst is over.
    open.length = 1;
    free.length = 0;
  }
  processRef.addPending(-1);
  return request;
}

/** Takes back a request that the engine was not asked. */
function cancel(number) {
  release(number);
}

/** Rejects a request that the engine was not asked. */
function fail(number, error) {
  const request = release(number);
  request.failed(error);
  request.done();
}

module.exports = { Request, add, get, done, cancel, fail };
