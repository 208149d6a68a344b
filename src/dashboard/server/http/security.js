'use strict';

const { HttpError } = require('../http-error.js');

/** Only files of the dashboard itself: nothing inline, nothing from other hosts, and no page around it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** Headers of every response. */
const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Header of every request that changes something. A form of another site cannot send it. */
const OWN_HEADER = 'x-hfxbus-dashboard';

/**
 * Refuses a request that changes something unless it comes from a page of the dashboard.
 * @param {{ header: (name: string) => string | null }} request
 * @param {string[]} origins further origins of the dashboard, behind a proxy that changes the host
 */
function requireOwnPage({ header }, origins) {
  const site = header('sec-fetch-site');
  const origin = header('origin');
  if (header(OWN_HEADER) === null) throw new HttpError(403, `The header ${OWN_HEADER} is missing.`);
  if (site !== null && site !== 'same-origin') throw new HttpError(403, 'The request comes from another site.');
  // A browser sends no Sec-Fetch-Site without TLS.
  if (site === null && origin === null) throw new HttpError(403, 'The header Origin is missing.');
  if (origin !== null && !isOwn(origin, header('host'), origins)) {
    throw new HttpError(403, 'The request comes from another origin.');
  }
  if (!/^application\/json\b/i.test(header('content-type') ?? '')) {
    throw new HttpError(415, 'The body must be application/json.');
  }
}

function isOwn(origin, host, origins) {
  if (origins.includes(origin)) return true;
  try {
    const { protocol, host: own } = new URL(origin);
    // The scheme completes a host with its default port.
    return host !== null && own === new URL(`${protocol}//${host}`).host;
  } catch {
    return false;
  }
}

module.exports = { HEADERS, requireOwnPage };
