//! Refusals of a server that is up: a script that runs, data that are loaded, a replica, no memory.

use crate::embedded::protocol::command_error::CommandError;

/// Reason for refused commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A script runs for too long.
    Busy,
    /// The server loads its data.
    Loading,
    /// The server is a replica.
    ReadOnly,
    /// The memory is full.
    OutOfMemory,
}

/// Commands that are served in every state.
const ALWAYS: [&str; 6] = ["auth", "hello", "client", "ping", "quit", "info"];

impl Refusal {
    /// Returns the error of the command `name`, if the command is refused.
    pub fn of(self, name: &str, writes: bool, needs_memory: bool) -> Option<CommandError> {
        if ALWAYS.contains(&name)
            || matches!(name, "multi" | "exec" | "discard") && !matches!(self, Self::Busy)
        {
            return None;
        }
        match self {
            Self::Busy => Some(CommandError::new(
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            )),
            Self::Loading => Some(CommandError::new("LOADING Redis is loading the dataset in memory")),
            Self::ReadOnly if writes => {
                Some(CommandError::new("READONLY You can't write against a read only replica."))
            }
            Self::OutOfMemory if needs_memory => {
                Some(CommandError::new("OOM command not allowed when used memory > 'maxmemory'."))
            }
            Self::ReadOnly | Self::OutOfMemory => None,
        }
    }
}
