//! JavaScript's options of TLS, made into the engine's.

use napi::Result;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::redis_io::connection::tls::{self, InvalidTls};
use crate::redis_io::options::TlsOptions;

use super::error::invalid;

/// TLS.
#[napi(object)]
#[derive(Default)]
pub struct NativeTlsOptions {
    /// Authorities, PEM.
    pub ca: Option<Vec<Uint8Array>>,
    /// The client's certificate chain, PEM.
    pub cert: Option<Uint8Array>,
    /// The client's key, PEM.
    pub key: Option<Uint8Array>,
    /// The name the server's certificate must have.
    pub servername: Option<String>,
    /// Refuses a server that cannot prove its name.
    pub reject_unauthorized: Option<bool>,
}

impl NativeTlsOptions {
    /// The engine's options, if they can work; `option` is what they are called.
    pub(super) fn into_engine(self, option: &str) -> Result<TlsOptions> {
        let options = TlsOptions {
            ca: self.ca.unwrap_or_default().iter().map(|pem| pem.to_vec()).collect(),
            cert: self.cert.map(|pem| pem.to_vec()),
            key: self.key.map(|pem| pem.to_vec()),
            servername: self.servername,
            reject_unauthorized: self.reject_unauthorized.unwrap_or(true),
        };
        tls::check(&options)
            .map_err(|InvalidTls { option: part, reason }| invalid(format!("{option}.{part} {reason}")))?;
        Ok(options)
    }
}
