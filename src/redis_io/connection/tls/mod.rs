//! TLS with rustls.

mod authorities;
mod verifier;

use std::io;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::redis_io::options::TlsOptions;

use verifier::{Trust, Verifier};

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTls {
    /// Name of the option.
    pub option: &'static str,
    /// Expected content of the option.
    pub reason: String,
}

impl InvalidTls {
    fn new(option: &'static str, reason: impl ToString) -> Self {
        Self { option, reason: reason.to_string() }
    }
}

/// Checks the options without a server.
pub fn check(options: &TlsOptions) -> Result<(), InvalidTls> {
    if let Some(name) = &options.servername {
        ServerName::try_from(name.as_str())
            .map_err(|_| InvalidTls::new("servername", "must be the name or the address of a host"))?;
    }
    config(options).map(drop)
}

/// Does the TLS handshake on `stream`.
pub async fn connect(
    stream: TcpStream,
    host: &str,
    options: &TlsOptions,
) -> io::Result<TlsStream<TcpStream>> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let config =
        config(options).map_err(|InvalidTls { option, reason }| invalid(format!("tls.{option} {reason}")))?;
    let name = options.servername.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| invalid(error.to_string()))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn config(options: &TlsOptions) -> Result<ClientConfig, InvalidTls> {
    let provider = Arc::new(ring::default_provider());
    let trust = if options.reject_unauthorized { Some(trust(options)?) } else { None };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| InvalidTls::new("", error))?
        .dangerous()
        .with_custom_certificate_verifier(Verifier::new(provider, trust));
    let (cert, key) = match (&options.cert, &options.key) {
        (None, None) => return Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => return Err(InvalidTls::new("key", "must be given with cert")),
        (None, Some(_)) => return Err(InvalidTls::new("cert", "must be given with key")),
    };
    let chain = certificates("cert", cert)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| InvalidTls::new("key", "must be a private key in PEM that needs no passphrase"))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| InvalidTls::new("key", format!("cannot be used with cert: {error}")))
}

fn trust(options: &TlsOptions) -> Result<Trust, InvalidTls> {
    if options.ca.is_empty() {
        return Ok(authorities::by_default());
    }
    let mut roots = RootCertStore::empty();
    let mut given = Vec::new();
    for pem in &options.ca {
        given.extend(certificates("ca", pem)?);
    }
    let (added, _) = roots.add_parsable_certificates(given.iter().cloned());
    if added == 0 && !given.is_empty() {
        return Err(InvalidTls::new("ca", "must be certificates of version 3"));
    }
    Ok(Trust { roots, given })
}

fn certificates(option: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| InvalidTls::new(option, "must be certificates in PEM"))
}
