'use strict';

const crypto = require('node:crypto');
const http = require('node:http');
const { createDashboard } = require('../dashboard/server/dashboard.js');
const { HELP_OF_BUS, count, parse } = require('./arguments.js');
const { json } = require('./output.js');
const { Servers } = require('./servers.js');
const { shutdownSignal } = require('./shutdown-signal.js');

const PORT = '8379';
const HOST = '127.0.0.1';

const HELP = `Usage: hfxbus dashboard [options]

Serves a page with the state of the bus on ${HOST} until Ctrl-C. The printed address has a token, without which
nothing is shown.

  --port <n>         port to listen on; 0 for any free port. Default ${PORT}
  --actions          allows to replay and drop dead letters
  --payloads         shows values of payloads
  --stream <name>    shows this stream only, without a search of all keys. Can be repeated
${HELP_OF_BUS}`;

const OPTIONS = {
  port: { type: 'string', default: PORT },
  actions: { type: 'boolean', default: false },
  payloads: { type: 'boolean', default: false },
  stream: { type: 'string', multiple: true },
};

/** Serves until SIGINT or SIGTERM. @returns {Promise<number>} the exit code */
async function run(args) {
  const { values } = parse(args, { help: HELP, options: OPTIONS, check });
  return Servers.use(values, HELP, (servers) => serve(servers, values), { allowPartial: true });
}

function check({ port }) {
  if (count('port', port, 0) > 65535) throw new Error('--port must be a whole number from 0 to 65535');
}

async function serve(servers, { port, actions, payloads, stream: streams, json: isJson }) {
  const gate = new Gate();
  const authorize = (request) => gate.isOpen(request) && 'command line';
  const dashboard = createDashboard(servers.bus(), { authorize, actions, payloads, streams });
  const server = http.createServer((req, res) => gate.enter(req, res) || dashboard.handler(req, res));
  try {
    await listen(server, Number(port));
    // Handlers come before the output: its reader can send a signal at once.
    const ending = shutdownSignal();
    const url = gate.urlOf(server.address().port);
    if (isJson) json({ url });
    else console.log(`Dashboard: ${url}\nThe address is a key to it. Ctrl-C ends it.`);
    await ending;
    return 0;
  } finally {
    await dashboard.close();
    server.closeAllConnections();
    server.close();
  }
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code }) => reject(new Error(`cannot listen on ${HOST}:${port}: ${code}`)));
    server.listen(port, HOST, resolve);
  });
}

/** Token in the address, which a cookie replaces at the first request. */
class Gate {
  #token = crypto.randomBytes(24).toString('base64url');
  #port = 0;

  urlOf(port) {
    this.#port = port;
    return `http://${HOST}:${port}/?token=${this.#token}`;
  }

  /** Answers the request with the token, and a request to another host name. Returns false for all others. */
  enter(req, res) {
    const { searchParams } = new URL(req.url, `http://${HOST}`);
    // A site can give its own name the address of this machine.
    const isOwn = [`${HOST}:${this.#port}`, `localhost:${this.#port}`].includes(req.headers.host);
    const token = searchParams.get('token');
    if (isOwn && token === null) return false;
    if (!isOwn || !isEqual(token, this.#token)) res.writeHead(403).end('The token or the host is not valid.\n');
    else {
      const cookie = `${this.#cookie}=${this.#token}; Path=/; HttpOnly; SameSite=Strict`;
      res.writeHead(303, { location: '/', 'set-cookie': cookie, 'cache-control': 'no-store' }).end();
    }
    return true;
  }

  isOpen({ headers: { cookie = '' } }) {
    const values = cookie.split(/; */).map((pair) => pair.split(/=(.*)/s, 2));
    return values.some(([name, value]) => name === this.#cookie && isEqual(value, this.#token));
  }

  /** Returns the name of the cookie. Ports of one host share their cookies. */
  get #cookie() {
    return `hfxbus-dashboard-${this.#port}`;
  }
}

/** Compares in a time that does not depend on the texts. */
function isEqual(given, expected) {
  const hash = (text) => crypto.createHash('sha256').update(`${text}`).digest();
  return crypto.timingSafeEqual(hash(given), hash(expected));
}

module.exports = { HELP, run };
