'use strict';

const { NativeEmbeddedRedis } = require('../bridge/native.js');
const checks = require('../options/validate.js');
const { LONGEST_TIMER } = require('../support/constants.js');
const { disposable } = require('../support/dispose.js');
const processRef = require('../bridge/process-ref.js');
const requests = require('../bridge/pending-requests.js');
const { engine } = require('../bridge/packet-reader.js');

/** Default maximum size of all keys, in bytes. */
const MAX_MEMORY = 256 * 1024 * 1024;
const CLOCKS = ['real', 'manual'];

/** Redis in this process, without persistence. It keeps the process alive until it is stopped. */
class EmbeddedRedis {
  #native;
  #password;
  #stopped = null;

  /** Starts a server. Resolves when it listens. */
  static async start(options) {
    return new EmbeddedRedis(nativeOptions(checks.object('options', options)));
  }

  constructor(options) {
    this.#native = new NativeEmbeddedRedis(engine, options);
    this.#password = options.password;
    processRef.addPending(1);
  }

  get port() {
    return this.#native.port;
  }

  get url() {
    const user = this.#password === undefined ? '' : `:${encodeURIComponent(this.#password)}@`;
    return `redis://${user}127.0.0.1:${this.port}`;
  }

  /** Advances the manual clock of the server. */
  advance(ms) {
    const by = checks.count('ms', ms, { least: 0, most: Number.MAX_SAFE_INTEGER, fallback: 0 });
    if (!this.#native.advance(by))
      throw new TypeError("advance() needs a server that was started with clock: 'manual'");
  }

  /** Closes every connection. */
  stop() {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop() {
    const request = new requests.Request(undefined);
    this.#native.stop(requests.add(request));
    await request.promise;
    processRef.addPending(-1);
  }
}

disposable(EmbeddedRedis, 'stop');

function nativeOptions({ port, password, maxMemory, seed, clock, chaos }) {
  const whole = (name, value, fallback) =>
    checks.count(name, value, { least: 0, most: Number.MAX_SAFE_INTEGER, fallback });
  if (!checks.isMissing(clock) && !CLOCKS.includes(clock)) throw new TypeError("clock must be 'real' or 'manual'");
  const wrong = checks.object('chaos', chaos);
  return {
    port: checks.count('port', port, { least: 0, most: 65535, fallback: 0 }),
    // An empty password means none, as in Redis.
    password: checks.string('password', password) || undefined,
    maxMemory: whole('maxMemory', maxMemory, MAX_MEMORY),
    manualClock: clock === 'manual',
    chaosSeed: whole('chaos.seed', wrong.seed, whole('seed', seed, 0)),
    delay: checks.count('chaos.delay', wrong.delay, { least: 0, most: LONGEST_TIMER, fallback: 0 }),
    dropConnection: probability('chaos.dropConnection', wrong.dropConnection),
    duplicateDelivery: probability('chaos.duplicateDelivery', wrong.duplicateDelivery),
    loseCompletion: probability('chaos.loseCompletion', wrong.loseCompletion),
  };
}

/** Returns a probability from 0 to 1. */
function probability(name, value) {
  const number = checks.toNumber(name, value) ?? 0;
  if (number < 0 || number > 1) throw new RangeError(`${name} must be a number from 0 to 1`);
  return number;
}

module.exports = { EmbeddedRedis };
