'use strict';

const { parseArgs } = require('node:util');
const { UsageError } = require('./usage-error.js');

/** What every verb takes that looks at a bus. */
const OF_BUS = {
  url: { type: 'string', multiple: true },
  cacert: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  sni: { type: 'string' },
  prefix: { type: 'string' },
  json: { type: 'boolean', default: false },
};

/** What the help of these verbs says of that. */
const HELP_OF_BUS = `  --url <url>        where Redis is, a URL or the path of a unix socket; by default REDIS_URL, or
                     redis://localhost:6379. Several times for the nodes of nodes(), in their order; of a Cluster
                     one node is enough
  --cacert <file>    of TLS (rediss://): the authorities to trust, instead of those that Mozilla trusts and those
                     of NODE_EXTRA_CA_CERTS
  --cert <file>      the certificate to show, with --key <file>
  --sni <name>       the name that the server's certificate must have, by default the host
  --prefix <text>    the bus' keyPrefix; by default the one of the URL, or hfxbus
  --json             for programs`;

/**
 * What a verb was given; whatever `check` throws is a wrong use as well.
 * @param {object} verb
 * @param {number} [verb.least] how many words there have to be that are no options
 * @param {number} [verb.most] how many there may be
 * @param {(values: object, words: string[]) => void} [verb.check]
 * @returns {{ values: object, words: string[] }}
 */
function parse(args, { help, options = {}, least = 0, most = least, check = () => {} }) {
  try {
    const parsed = parseArgs({ args, options: { ...OF_BUS, ...options }, allowPositionals: true });
    const { values, positionals: words } = parsed;
    refuseUrls(words);
    if (words.length < least) throw new Error('something is missing');
    if (words.length > most) throw new Error(`'${words[most]}' is too much`);
    if (values.prefix === '') throw new Error('--prefix must not be empty');
    check(values, words);
    return { values: { ...values, url: values.url ?? [process.env.REDIS_URL || 'redis://localhost:6379'] }, words };
  } catch (error) {
    throw new UsageError(error.message, help);
  }
}

/** A URL that came without its option would be taken for a name, and repeated with its password. */
function refuseUrls(words) {
  if (words.some((word) => word.includes('://'))) throw new Error('a URL belongs behind --url');
}

/** An option as a whole number from `least` on. */
function count(name, text, least) {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least)) throw new Error(`--${name} must be a whole number from ${least} on`);
  return number;
}

module.exports = { HELP_OF_BUS, parse, count };
