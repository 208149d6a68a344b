//! Verification of the identity of a server.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use crate::redis_io::tls_error::TlsError;

/// Checks servers as Node does.
#[derive(Debug)]
pub struct Verifier {
    provider: Arc<CryptoProvider>,
    /// Authorities to trust. `None` accepts every server. Signatures are checked in any case, so that the peer holds at
    /// least the key of its certificate.
    trust: Option<Trust>,
}

/// The authorities that are trusted.
#[derive(Debug)]
pub struct Trust {
    /// Trust anchors that end a chain.
    pub roots: RootCertStore,
    /// The same certificates as given by the user. A server can present one of them itself.
    pub given: Vec<CertificateDer<'static>>,
}

impl Verifier {
    /// Checks with `trust`.
    pub fn new(provider: Arc<CryptoProvider>, trust: Option<Trust>) -> Arc<Self> {
        Arc::new(Self { provider, trust })
    }
}

impl Trust {
    fn check(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        let algorithms = provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(shown)?;
        match verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, others, now, algorithms) {
            // A certificate that signed itself is commonly an authority as well, which webpki lets no server be. It
            // looks at the dates before.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.given.contains(shown) => {
                Ok(())
            }
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))) => {
                Err(untrusted(shown, others))
            }
            checked => checked,
        }
    }
}

/// OpenSSL has different codes for the ways in which a chain ends.
fn untrusted(shown: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Error {
    let refusal = if signed_itself(shown) {
        TlsError::new("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate")
    } else if others.iter().any(signed_itself) {
        TlsError::new("SELF_SIGNED_CERT_IN_CHAIN", "self-signed certificate in certificate chain")
    } else if !others.is_empty() {
        TlsError::new("UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "unable to get local issuer certificate")
    } else {
        return Error::InvalidCertificate(CertificateError::UnknownIssuer);
    };
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}

fn signed_itself(certificate: &CertificateDer<'_>) -> bool {
    webpki::EndEntityCert::try_from(certificate)
        .is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            trust.check(shown, others, now, &self.provider)?;
            verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
