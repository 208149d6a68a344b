//! Errors that are thrown at the call, before a command is sent.

use std::io;

use napi::bindgen_prelude::Env;
use napi::{Error, Status};

/// Error of an invalid argument. The facade finds the option by the text.
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidArg, message.into())
}

/// Error of an engine that cannot start. It names the limit to raise, and has the system's code.
pub fn cannot_start(env: Env, error: &io::Error) -> Error {
    let (code, remedy) = match error.raw_os_error() {
        Some(23) => ("ENFILE", "The system has no more file descriptors: raise fs.file-max"),
        Some(24) => ("EMFILE", "The process has no more file descriptors: raise `ulimit -n`"),
        _ if error.kind() == io::ErrorKind::OutOfMemory => ("ENOMEM", "There is no memory left for it"),
        _ => (
            "EAGAIN",
            "It needs a thread, and this user or container may have no more of them: raise `ulimit -u`, TasksMax of \
             the systemd unit, or the limit on pids of the container (`docker run --pids-limit`)",
        ),
    };
    let message = format!("hfxbus cannot start: {error}. {remedy}.");
    // An environment that ends throws nothing.
    let _ = env.throw_error(&message, Some(code));
    Error::new(Status::PendingException, message)
}
