//! Errors of commands and connections.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::redis_io::tls_error::TlsError;

/// Beginning of Redis' error for an unknown command.
const UNKNOWN: &str = "ERR unknown command";
/// Text in front of the arguments in that error.
const ARGUMENTS: &str = ", with args beginning with:";

/// Codes of a server that cannot serve any command for the moment.
const BUSY: [&str; 5] = ["BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"];
/// Codes of a server that takes no writes for the moment: a replica, or a server without memory, disk or enough replicas.
const UNFIT: [&str; 4] = ["READONLY", "OOM", "MISCONF", "NOREPLICAS"];

/// The text of [`RedisErrorKind::QueueFull`].
pub const QUEUE_FULL: &str = "As much waits for a reply as maxQueuedCommands and maxQueuedBytes allow.";

/// The text of [`RedisErrorKind::RequestTooLarge`].
pub const REQUEST_TOO_LARGE: &str = "One request has more commands or bytes than maxQueuedCommands and maxQueuedBytes allow, so it can never be sent.";

/// The kind of a [`RedisError`]; decisions and tests compare this, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisErrorKind {
    /// Redis answered with an error reply; its first word is [`RedisError::code`].
    Reply,
    /// The connection was closed for good before the reply came.
    Closed,
    /// The connection dropped while the command was on the wire, and the command cannot be sent twice.
    Dropped,
    /// `maxRetriesPerRequest` reconnections failed.
    MaxRetries,
    /// The connection is not ready and the offline queue is off.
    NotReady,
    /// The queue reached its limit.
    QueueFull,
    /// The request or transaction exceeds the limit of the queue by itself.
    RequestTooLarge,
    /// No reply within `commandTimeout`.
    Timeout,
    /// The connection failed to open: refused, name not found, `connectTimeout` passed.
    Connect,
    /// One side refuses TLS with the other; [`RedisError::code`] is Node's.
    Tls,
    /// Bytes came that are not RESP2.
    Protocol,
    /// The node is ejected since it failed too often. Redis can have executed the command.
    Ejected,
    /// The consumer does not own the partition of the job any more.
    Fenced,
}

/// The code of a connection to a server of another role than wanted.
pub const WRONG_ROLE: &str = "WRONG_ROLE";

/// A failed command or connection. Carries names only: never an argument, a payload or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisError {
    /// Kind of the failure.
    pub kind: RedisErrorKind,
    /// Redis' own code (`NOAUTH`, `WRONGTYPE`, …) for replies, an errno name (`ECONNREFUSED`) for sockets.
    pub code: Option<Arc<str>>,
    /// The text for people; for replies it is Redis' own, word for word.
    pub message: Arc<str>,
    /// The command that failed, in upper case, where there is one.
    pub command: Option<&'static str>,
    /// `host:port` or the path of the socket.
    pub node: Arc<str>,
    /// The error that led to this one, where there is one.
    pub cause: Option<Arc<RedisError>>,
}

impl RedisError {
    /// An error reply of Redis, whose text begins with its code. For an unknown command Redis repeats the arguments,
    /// which can be a payload or a password. They are left out.
    pub fn reply(text: &[u8], command: &'static str, node: &Arc<str>) -> Self {
        let text = String::from_utf8_lossy(text);
        let message = match text.split_once(ARGUMENTS) {
            Some((message, _)) if text.starts_with(UNKNOWN) => message,
            _ => &text,
        };
        let code = message.split(' ').next().unwrap_or_default();
        Self {
            kind: RedisErrorKind::Reply,
            code: Some(code.into()),
            message: message.into(),
            command: Some(command).filter(|command| !command.is_empty()),
            node: node.clone(),
            cause: None,
        }
    }

    /// A failure on our side of the wire.
    pub fn local(kind: RedisErrorKind, message: &str, node: &Arc<str>) -> Self {
        Self { kind, code: None, message: message.into(), command: None, node: node.clone(), cause: None }
    }

    /// Failure of a command that finds its connection closed for good. Names no node.
    pub fn closed() -> Self {
        Self::local(RedisErrorKind::Closed, "Connection is closed.", &Arc::from(""))
    }

    /// Failure of a job that would wait behind `maxQueuedCommands` or `maxQueuedBytes`. Names no node.
    pub fn queue_full() -> Self {
        Self::local(RedisErrorKind::QueueFull, QUEUE_FULL, &Arc::from("")).of("XADD")
    }

    /// Failure of a send that exceeds `maxQueuedCommands` or `maxQueuedBytes` by itself. Names no node.
    pub fn request_too_large() -> Self {
        Self::local(RedisErrorKind::RequestTooLarge, REQUEST_TOO_LARGE, &Arc::from("")).of("XADD")
    }

    /// A failure of the socket while `doing` something, in Node's words and with Node's code.
    pub fn socket(error: &io::Error, doing: &str, node: &Arc<str>) -> Self {
        if let Some(TlsError { code, reason }) = TlsError::of(error) {
            return Self { code: Some(code.into()), ..Self::local(RedisErrorKind::Tls, &reason, node) };
        }
        let code = errno_name(error);
        let message = match code {
            Some(code) if error.raw_os_error().is_some() => format!("{doing} {code}"),
            _ => error.to_string(),
        };
        Self { code: code.map(Into::into), ..Self::local(RedisErrorKind::Connect, &message, node) }
    }

    /// As [`RedisError::socket`], for a connection that failed to open. The text names the endpoint.
    pub fn connecting(error: &io::Error, node: &Arc<str>) -> Self {
        let mut failure = Self::socket(error, "connect", node);
        if error.raw_os_error().is_some() && failure.code.is_some() {
            failure.message = format!("{} {node}", failure.message).into();
        }
        failure
    }

    /// Error of a server in another role than wanted.
    pub fn wrong_role(wanted: &str, found: &str, node: &Arc<str>) -> Self {
        let message = format!("The server is a {found}, where a {wanted} was expected.");
        Self { code: Some(WRONG_ROLE.into()), ..Self::local(RedisErrorKind::Connect, &message, node) }
    }

    /// Error of commands after `most` failed reconnections, the last one with `cause`.
    pub fn max_retries(most: u32, cause: Option<RedisError>, node: &Arc<str>) -> Self {
        let message = format!(
            "Reached the max retries per request limit (which is {most}). Refer to \"maxRetriesPerRequest\" option for details."
        );
        Self::local(RedisErrorKind::MaxRetries, &message, node).after(cause)
    }

    /// Adds the error of the connection as the cause, and to the end of the text.
    pub fn after(mut self, cause: Option<RedisError>) -> Self {
        if let Some(cause) = &cause {
            let text = self.message.trim_end_matches('.');
            self.message = format!("{text}. Last error: {cause}").into();
        }
        self.because(cause)
    }

    /// Adds the cause.
    pub fn because(mut self, cause: Option<RedisError>) -> Self {
        self.cause = cause.map(Arc::new);
        self
    }

    /// Adds the name of the command.
    pub fn of(mut self, command: &'static str) -> Self {
        self.command = self.command.or(Some(command).filter(|command| !command.is_empty()));
        self
    }

    /// Returns true if one side refuses the other for a reason that does not pass by itself.
    pub fn is_refusal(&self) -> bool {
        self.kind == RedisErrorKind::Tls || self.reply_code().is_some_and(|code| !BUSY.contains(&code))
    }

    /// Returns true if the server refuses the command now and can execute it later.
    pub fn is_passing(&self) -> bool {
        self.reply_code().is_some_and(|code| BUSY.contains(&code) || UNFIT.contains(&code))
    }

    /// Returns true if the server takes no writes for the moment.
    pub fn is_unfit(&self) -> bool {
        self.reply_code().is_some_and(|code| UNFIT.contains(&code))
    }

    /// The first word of an error reply, which Redis promises to be stable; `None` for other kinds.
    pub fn reply_code(&self) -> Option<&str> {
        match self.kind {
            RedisErrorKind::Reply => self.code.as_deref(),
            _ => None,
        }
    }
}

/// The name that Node gives to a failure of the operating system.
pub fn errno_name(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("ECONNREFUSED"),
        io::ErrorKind::ConnectionReset => Some("ECONNRESET"),
        io::ErrorKind::ConnectionAborted => Some("ECONNABORTED"),
        io::ErrorKind::BrokenPipe => Some("EPIPE"),
        io::ErrorKind::TimedOut => Some("ETIMEDOUT"),
        // Only a name that cannot be resolved has no number of the operating system.
        io::ErrorKind::NotFound if error.raw_os_error().is_none() => Some("ENOTFOUND"),
        io::ErrorKind::NotFound => Some("ENOENT"),
        // So does one that no name server answers for; the system has no thread left otherwise.
        io::ErrorKind::WouldBlock if error.raw_os_error().is_none() => Some("EAI_AGAIN"),
        io::ErrorKind::WouldBlock => Some("EAGAIN"),
        io::ErrorKind::HostUnreachable => Some("EHOSTUNREACH"),
        io::ErrorKind::NetworkUnreachable => Some("ENETUNREACH"),
        io::ErrorKind::AddrInUse => Some("EADDRINUSE"),
        io::ErrorKind::AddrNotAvailable => Some("EADDRNOTAVAIL"),
        io::ErrorKind::PermissionDenied => Some("EACCES"),
        _ => None,
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for RedisError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_want_of_a_connection_says_why_there_is_none() {
        let node: Arc<str> = "here:1".into();
        let refused = io::Error::from_raw_os_error(111);
        let cause = RedisError::connecting(&refused, &node);
        let late = RedisError::local(RedisErrorKind::Timeout, "Command timed out", &node);
        assert_eq!(late.clone().after(None), late);
        let late = late.after(Some(cause.clone()));
        assert_eq!(&*late.message, "Command timed out. Last error: connect ECONNREFUSED here:1");
        assert_eq!(late.cause.as_deref(), Some(&cause));
    }

    #[test]
    fn what_redis_repeats_of_a_command_is_left_out() {
        let node: Arc<str> = "here".into();
        let message = |text: &str| RedisError::reply(text.as_bytes(), "SET", &node).message.to_string();
        let unknown = "ERR unknown command 'SET', with args beginning with: 'key' 's3cret' ";
        assert_eq!(message(unknown), "ERR unknown command 'SET'");
        let user = "ERR mine, with args beginning with: 'key'";
        assert_eq!(message(user), user);
    }
}
