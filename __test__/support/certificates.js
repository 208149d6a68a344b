'use strict';

const crypto = require('node:crypto');
const forge = require('node-forge');

const DAY = 24 * 60 * 60 * 1000;
/** The kinds of names that a certificate can be for, as X.509 numbers them. */
const DNS = 2;
const ADDRESS = 7;

let serial = 1;

/** A certificate with its key, both PEM. */
class Identity {
  #certificate;
  #key;

  /** @param {{ name: string, issuer?: Identity, isAuthority?: boolean, names?: string[], isExpired?: boolean }} what */
  constructor({ name, issuer, isAuthority = false, names = [], isExpired = false }) {
    const pair = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = (key, type) => key.export({ type, format: 'pem' });
    this.#key = forge.pki.privateKeyFromPem(pem(pair.privateKey, 'pkcs1'));
    const certificate = forge.pki.createCertificate();
    certificate.publicKey = forge.pki.publicKeyFromPem(pem(pair.publicKey, 'spki'));
    certificate.serialNumber = (serial++).toString(16).padStart(4, '0');
    certificate.validity.notBefore = new Date(Date.now() - 10 * DAY);
    certificate.validity.notAfter = new Date(Date.now() + (isExpired ? -1 : 10) * DAY);
    certificate.setSubject([{ name: 'commonName', value: name }]);
    certificate.setIssuer(issuer ? issuer.#certificate.subject.attributes : certificate.subject.attributes);
    certificate.setExtensions([
      { name: 'basicConstraints', cA: isAuthority, critical: true },
      ...(names.length > 0 ? [{ name: 'subjectAltName', altNames: names.map(alternative) }] : []),
    ]);
    certificate.sign(issuer ? issuer.#key : this.#key, forge.md.sha256.create());
    this.#certificate = certificate;
  }

  get cert() {
    return forge.pki.certificateToPem(this.#certificate);
  }

  get key() {
    return forge.pki.privateKeyToPem(this.#key);
  }
}

function alternative(name) {
  return /^[\d.]+$/.test(name) ? { type: ADDRESS, ip: name } : { type: DNS, value: name };
}

/** Creates an authority that is not trusted yet. */
function authority(name) {
  return new Identity({ name, isAuthority: true });
}

/** The identity of a server on this machine, signed by an authority. */
function server(issuer, more) {
  return new Identity({ name: 'server', issuer, names: ['localhost', '127.0.0.1'], ...more });
}

/** The identity of a client. */
function client(issuer) {
  return new Identity({ name: 'client', issuer });
}

/** A server's certificate that signed itself, as `openssl req -x509` makes it. */
function selfSigned() {
  return new Identity({ name: 'alone', isAuthority: true, names: ['localhost', '127.0.0.1'] });
}

module.exports = { authority, server, client, selfSigned };
