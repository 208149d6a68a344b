'use strict';

const processRef = require('./process-ref.js');

/*
 * Requests to the engine that are not done, by number. The engine reports `failed` any number of times, and then `done` once,
 * which frees the number.
 */
const open = [null];
const free = [];
/** Maximum count of free numbers that are kept while no number is in use. */
const KEPT = 64 * 1024;

/** Request with a promise that settles when the request is done. */
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

/** Registers a request. @returns {number} its number in reports of the engine */
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

/** Removes a request that was not submitted. */
function cancel(number) {
  release(number);
}

/** Rejects a request that was not submitted. */
function fail(number, error) {
  const request = release(number);
  request.failed(error);
  request.done();
}

module.exports = { Request, add, get, done, cancel, fail };
