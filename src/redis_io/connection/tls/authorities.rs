//! Certificate authorities to trust if the options name none.

use std::sync::LazyLock;
use std::{env, fs};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio_rustls::rustls::RootCertStore;

use crate::redis_io::connection::tls::verifier::Trust;

/// Certificates of `NODE_EXTRA_CA_CERTS`. As in Node, the variable is read once and an unreadable file adds nothing.
/// JavaScript can change the environment at any time on its own thread, which is the thread that checks options and reads
/// the variable.
static EXTRA: LazyLock<Vec<CertificateDer<'static>>> = LazyLock::new(|| {
    let pem = env::var_os("NODE_EXTRA_CA_CERTS").and_then(|file| fs::read(file).ok()).unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem).flatten().collect()
});

/// The authorities that Mozilla trusts, and those of `NODE_EXTRA_CA_CERTS`.
pub fn by_default() -> Trust {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(EXTRA.iter().cloned());
    Trust { roots, given: EXTRA.clone() }
}
