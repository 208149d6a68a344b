'use strict';

const { parseArgs } = require('node:util');
const { UsageError } = require('./usage-error.js');

/** Options of every verb that reads a bus. */
const OF_BUS = {
  url: { type: 'string', multiple: true },
  cacert: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  sni: { type: 'string' },
  prefix: { type: 'string' },
  json: { type: 'boolean', default: false },
};

/** Help text of these options. */
const HELP_OF_BUS = `  --url <url>        URL of Redis, or path of a unix socket. Repeat it for the nodes of nodes(), in their order. One
                     node of a Cluster is enough. Default REDIS_URL, or redis://localhost:6379
  --cacert <file>    certificate authorities to trust, for rediss://. Default Mozilla's and those of
                     NODE_EXTRA_CA_CERTS
  --cert <file>      client certificate, together with --key <file>
  --sni <name>       name that the server's certificate must have. Default the host
  --prefix <text>    keyPrefix of the bus. Default that of the URL, or hfxbus
  --json             prints JSON, for programs`;

/**
 * Parses the arguments of a verb. An error that `check` throws becomes a UsageError.
 * @param {object} verb
 * @param {number} [verb.least] minimum number of words that are not options, by default 0
 * @param {number} [verb.most] maximum number of these words, by default `least`
 * @param {(values: object, words: string[]) => void} [verb.check]
 * @returns {{ values: object, words: string[] }}
 */
function parse(args, { help, options = {}, least = 0, most = least, check = () => {} }) {
  try {
    const parsed = parseArgs({ args, options: { ...OF_BUS, ...options }, allowPositionals: true });
    const { values, positionals: words } = parsed;
    refuseUrls(words);
    if (words.length < least) throw new Error('an argument is missing');
    if (words.length > most) throw new Error(`unexpected argument '${words[most]}'`);
    if (values.prefix === '') throw new Error('--prefix must not be empty');
    check(values, words);
    return { values: { ...values, url: values.url ?? [process.env.REDIS_URL || 'redis://localhost:6379'] }, words };
  } catch (error) {
    throw new UsageError(error.message, help);
  }
}

/** Refuses a URL without `--url`: it would be taken for a name, and printed with its password. */
function refuseUrls(words) {
  if (words.some((word) => word.includes('://'))) throw new Error('a URL must follow --url');
}

/** Returns the value of an option as a whole number from `least` on. */
function count(name, text, least) {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least)) throw new Error(`--${name} must be a whole number from ${least} on`);
  return number;
}

module.exports = { HELP_OF_BUS, parse, count };
