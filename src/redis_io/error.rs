//! What can go wrong between a command and its reply.

use std::fmt;
use std::sync::Arc;

/// The kind of a [`RedisError`]; decisions and tests compare this, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisErrorKind {
    /// Redis answered with an error reply; its first word is [`RedisError::code`].
    Reply,
    /// The connection was closed for good before the reply came.
    Closed,
    /// The connection dropped while the command was on the wire and the command may not be sent twice.
    Dropped,
    /// As many reconnections failed as `maxRetriesPerRequest` allows.
    MaxRetries,
    /// The connection is not ready and the offline queue is off.
    NotReady,
    /// No reply within `commandTimeout`.
    Timeout,
    /// The connection could not be made: refused, name not found, TLS failed, `connectTimeout` passed.
    Connect,
    /// Bytes came that are not RESP2.
    Protocol,
}

/// A failed command or connection. Carries names only: never an argument, a payload or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisError {
    /// What kind of failure this is.
    pub kind: RedisErrorKind,
    /// Redis' own code (`NOAUTH`, `WRONGTYPE`, …) for replies, an errno name (`ECONNREFUSED`) for sockets.
    pub code: Option<Arc<str>>,
    /// The text for people; for replies it is Redis' own, word for word.
    pub message: Arc<str>,
    /// The command that failed, in upper case, where there is one.
    pub command: Option<&'static str>,
    /// `host:port` or the path of the socket.
    pub node: Arc<str>,
}

impl RedisError {
    /// The first word of an error reply, which Redis promises to be stable; `None` for other kinds.
    pub fn reply_code(&self) -> Option<&str> {
        match self.kind {
            RedisErrorKind::Reply => self.code.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for RedisError {}
