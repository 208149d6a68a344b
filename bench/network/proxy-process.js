'use strict';

/*
 * Process of a TCP proxy that holds back each chunk, in each direction, by the same time. Arguments: `delay` in ms, `ports` of the
 * servers. It sends its own ports, in the same order, to its parent.
 */

const { once } = require('node:events');
const net = require('node:net');
const { DelayedChunks } = require('./delayed-chunks.js');

const { delay, ports } = JSON.parse(process.argv[2]);
const chunks = new DelayedChunks(delay);

/** Accepts connections for one server. Returns the port. */
async function listen(port) {
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    pump(client, server);
    pump(server, client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return listener.address().port;
}

function pump(from, to) {
  from.on('data', (chunk) => chunks.hold(() => to.write(chunk)));
  from.on('end', () => chunks.hold(() => to.end()));
  from.on('error', () => chunks.hold(() => to.destroy()));
}

Promise.all(ports.map(listen)).then((own) => process.send(own));
process.on('disconnect', () => process.exit(1));
