'use strict';

/** Payload keys of a request or an event, and of its reply. */
const REQUEST = 'request';
const RESPONSE = 'response';

/** Error of a request without a handler, in the words of Nest's transports. */
const NO_HANDLER = 'There is no matching message handler defined in the remote service.';

/** Returns an error as the plain object that a packet can have. Nest's filters give objects and texts. */
function errorData(error) {
  if (!(error instanceof Error)) return error ?? { status: 'error', message: String(error) };
  const { message, code, name } = error;
  return { status: 'error', message, name, ...(code !== undefined && { code }) };
}

/** Returns the error of a completion as Nest's clients get it, without its stack. */
function completionError({ stack, ...error }) {
  return { status: 'error', ...error };
}

/**
 * Collects the values of an Observable as packets of a reply. Never rejects.
 * @param {object} observable
 * @param {AbortSignal} signal its abort ends the subscription
 * @returns {Promise<Array<{ response?: any, err?: any, isDisposed?: boolean }>>} packets, the last of which ends the reply
 */
function collect(observable, signal) {
  return new Promise((resolve) => {
    const packets = [];
    const end = (packet) => {
      signal.removeEventListener('abort', cancel);
      const last = packets.at(-1);
      if (packet === undefined && last !== undefined) last.isDisposed = true;
      else packets.push({ ...packet, isDisposed: true });
      resolve(packets);
    };
    let subscription;
    const cancel = () => {
      subscription?.unsubscribe();
      end({ err: errorData(signal.reason) });
    };
    signal.addEventListener('abort', cancel, { once: true });
    subscription = observable.subscribe({
      next: (response) => packets.push({ response }),
      error: (err) => end({ err }),
      complete: () => end(),
    });
  });
}

module.exports = { NO_HANDLER, REQUEST, RESPONSE, collect, completionError, errorData };
