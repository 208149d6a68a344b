'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { ConnectionManager } = require('../../index.js');
const certificates = require('../support/certificates.js');

const authority = certificates.authority('authority');
const client = certificates.client(authority);
const other = certificates.client(authority);

const open = (tls) => () => ConnectionManager.standalone({ tls });

/** Invalid options, and the option that the error must name. */
const REFUSED = {
  'no object': ['yes', 'tls'],
  'an authority that is no text': [{ ca: 5 }, 'tls.ca'],
  'an authority that is no PEM': [{ ca: ['s3cret'] }, 'tls.ca'],
  'an authority that is a key': [{ ca: authority.key }, 'tls.ca'],
  'a certificate without a key': [{ cert: client.cert }, 'tls.key'],
  'a key without a certificate': [{ key: client.key }, 'tls.cert'],
  'a certificate that is none': [{ cert: 's3cret', key: client.key }, 'tls.cert'],
  'a key that is none': [{ cert: client.cert, key: 's3cret' }, 'tls.key'],
  'a key with a passphrase': [{ cert: client.cert, key: [{ pem: client.key, passphrase: 's3cret' }] }, 'tls.key'],
  "another certificate's key": [{ cert: client.cert, key: other.key }, 'tls.key'],
  'a name that is none': [{ servername: 'no name' }, 'tls.servername'],
};

for (const [what, [tls, option]] of Object.entries(REFUSED)) {
  test(`${what} is rejected before anything is sent, and its content is not shown`, () => {
    assert.throws(open(tls), (error) => {
      assert.ok(error instanceof TypeError, String(error));
      assert.ok(error.message.startsWith(`${option} `), error.message);
      assert.ok(!error.message.includes('s3cret'), error.message);
      return true;
    });
  });
}

test('an error about sentinelTLS names that option', () => {
  const given = { sentinels: [{}], name: 'main', sentinelTLS: { ca: 's3cret' } };
  assert.throws(() => ConnectionManager.standalone(given), { name: 'TypeError', message: /^sentinelTLS\.ca / });
});

test('valid TLS options are accepted, and not changed', () => {
  const given = { ca: [authority.cert], cert: [client.cert], key: Buffer.from(client.key), minVersion: 'TLSv1.2' };
  for (const tls of [true, false, null, {}, given, { rejectUnauthorized: false }]) {
    assert.doesNotThrow(open(typeof tls === 'object' ? Object.freeze(tls) : tls));
  }
});
