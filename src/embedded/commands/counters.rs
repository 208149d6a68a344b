//! Strings that are numbers.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::protocol::number;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("decr", 2, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(decr)),
    spec("decrby", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(decrby)),
    spec("incr", 2, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(incr)),
    spec("incrby", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(incrby)),
];

const OVERFLOW: CommandError = CommandError::new("ERR increment or decrement would overflow");

fn incr(call: &mut CommandContext<'_>) -> CommandResult {
    add(call, 1)
}

fn decr(call: &mut CommandContext<'_>) -> CommandResult {
    add(call, -1)
}

fn incrby(call: &mut CommandContext<'_>) -> CommandResult {
    let by = call.integer(2)?;
    add(call, by)
}

fn decrby(call: &mut CommandContext<'_>) -> CommandResult {
    let by = call.integer(2)?;
    add(call, by.checked_neg().ok_or(CommandError::new("ERR decrement would overflow"))?)
}

fn add(call: &mut CommandContext<'_>, by: i64) -> CommandResult {
    let key = call.arg(1);
    let value = match call.core.keyspace.text(key)? {
        Some(text) => number::parse(text).ok_or(NOT_AN_INTEGER)?,
        None => 0,
    };
    let sum = value.checked_add(by).ok_or(OVERFLOW)?;
    call.core.keyspace.put(key, StoredValue::Text(sum.to_string().into_bytes()));
    call.core.touch(key);
    call.reply.integer(sum);
    Ok(())
}
