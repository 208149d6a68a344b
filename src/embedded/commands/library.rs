//! CLIENT SETINFO, which Redis has from 7.2 on.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::CommandError;

/// The row of this command.
pub const SPECS: &[CommandSpec] = &[spec(
    "client|setinfo",
    4,
    "noscript loading stale",
    [0, 0, 0],
    "slow connection",
    Run::Handler(setinfo),
)];

/// Sets the name or the version of the client's library, which CLIENT LIST shows.
fn setinfo(call: &mut CommandContext<'_>) -> CommandResult {
    let (is_name, is_version) = (call.is(2, "LIB-NAME"), call.is(2, "LIB-VER"));
    let (option, value) = (call.arg(2), call.arg(3));
    if !is_name && !is_version {
        return Err(CommandError::with(&[b"ERR Unrecognized option '", option, b"'"]));
    }
    if !value.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        let reason = b" cannot contain spaces, newlines or special characters.";
        return Err(CommandError::with(&[b"ERR ", option, reason]));
    }
    let (value, library) = (value.to_vec(), &mut call.me().library);
    if is_name {
        library.name = value;
    } else {
        library.version = value;
    }
    call.reply.ok();
    Ok(())
}
