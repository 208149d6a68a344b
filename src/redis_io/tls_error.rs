//! Errors of TLS, with the codes that Node has for them.

use std::fmt;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// Refusal of one side by the other, which does not pass by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// Code of Node, or of OpenSSL in it.
    pub code: &'static str,
    /// Text for people.
    pub reason: String,
}

impl TlsError {
    /// Returns the TLS error behind an error of a socket, if it has one.
    pub fn of(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::InvalidMessage(_) => {
                Self::new("ERR_SSL_WRONG_VERSION_NUMBER", "what answers there does not speak TLS")
            }
            Error::PeerIncompatible(_) => {
                Self::new("ERR_SSL_UNSUPPORTED_PROTOCOL", "no version or cipher in common with the server")
            }
            other => Self::new("EPROTO", other.to_string()),
        })
    }

    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Self::new("CERT_HAS_EXPIRED", "certificate has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::new("CERT_NOT_YET_VALID", "certificate is not yet valid")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::new("ERR_TLS_CERT_ALTNAME_INVALID", other_name(error))
            }
            CertificateError::UnknownIssuer => {
                Self::new("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate")
            }
            CertificateError::BadSignature => {
                Self::new("CERT_SIGNATURE_FAILURE", "certificate signature failure")
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::new("INVALID_PURPOSE", "unsuitable certificate purpose")
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<Self>() {
                Some(refusal) => refusal.clone(),
                None => Self::new("CERT_REJECTED", other.to_string()),
            },
            other => Self::new("CERT_REJECTED", other.to_string()),
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        let code = match alert {
            AlertDescription::CertificateRequired => "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
            AlertDescription::HandshakeFailure => "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
            AlertDescription::BadCertificate => "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
            AlertDescription::UnsupportedCertificate => "ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            AlertDescription::CertificateExpired => "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
            AlertDescription::CertificateRevoked => "ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED",
            AlertDescription::CertificateUnknown => "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            AlertDescription::UnknownCA => "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
            AlertDescription::AccessDenied => "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED",
            AlertDescription::DecryptError => "ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR",
            AlertDescription::ProtocolVersion => "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
            AlertDescription::UnrecognisedName => "ERR_SSL_TLSV1_UNRECOGNIZED_NAME",
            _ => "EPROTO",
        };
        Self::new(code, format!("the server refuses TLS: {alert:?}"))
    }
}

/// Text with the expected name and those of the certificate.
fn other_name(error: &CertificateError) -> String {
    match error {
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = if presented.is_empty() { "none".to_owned() } else { presented.join(", ") };
            format!("certificate is not valid for {}, its names are: {names}", expected.to_str())
        }
        _ => "certificate is not valid for the name of the host".to_owned(),
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for TlsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(error: Error) -> Option<&'static str> {
        TlsError::of(&io::Error::new(io::ErrorKind::InvalidData, error)).map(|refusal| refusal.code)
    }

    #[test]
    fn failures_have_the_codes_of_node() {
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        assert_eq!(code(expired), Some("CERT_HAS_EXPIRED"));
        let required = Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(code(required), Some("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"));
        assert_eq!(code(Error::DecryptError), Some("EPROTO"));
    }

    #[test]
    fn a_socket_that_fails_by_itself_refuses_nobody() {
        assert_eq!(TlsError::of(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
        assert_eq!(TlsError::of(&io::Error::other("something")), None);
    }
}
