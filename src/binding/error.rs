//! Errors that are thrown at the call, before anything reached Redis.

use napi::{Error, Status};

/// The argument does not do; the facade knows the option by the text.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArg, message.into())
}
