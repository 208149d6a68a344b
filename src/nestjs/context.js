'use strict';

const { BaseRpcContext } = require('@nestjs/microservices');

/** Context of a handler: the job and its pattern. */
class HfxbusContext extends BaseRpcContext {
  /** Returns the received job. */
  getJob() {
    return this.args[0];
  }

  /** Returns the pattern, which is the name of the stream. */
  getPattern() {
    return this.args[1];
  }
}

module.exports = { HfxbusContext };
