//! Strings, and until when they are there.

use super::expiry::{Unit, deadline};
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("append", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(append)),
    spec("get", 2, "readonly fast", [1, 1, 1], "read string fast", Run::Handler(get)),
    spec("getdel", 2, "write fast", [1, 1, 1], "write string fast", Run::Handler(getdel)),
    spec("getex", -2, "write fast", [1, 1, 1], "write string fast", Run::Handler(getex)),
    spec("getset", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(getset)),
    spec("mget", -2, "readonly fast", [1, -1, 1], "read string fast", Run::Handler(mget)),
    spec("mset", -3, "write denyoom", [1, -1, 2], "write string slow", Run::Handler(mset)),
    spec("psetex", 4, "write denyoom", [1, 1, 1], "write string slow", Run::Handler(psetex)),
    spec("set", -3, "write denyoom", [1, 1, 1], "write string slow", Run::Handler(set)),
    spec("setex", 4, "write denyoom", [1, 1, 1], "write string slow", Run::Handler(setex)),
    spec("setnx", 3, "write denyoom fast", [1, 1, 1], "write string fast", Run::Handler(setnx)),
    spec("strlen", 2, "readonly fast", [1, 1, 1], "read string fast", Run::Handler(strlen)),
];

/// Condition under which SET writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfMissing,
    IfThere,
}

/// Effect of SET on the expiry of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    /// It is not changed.
    Kept,
    /// The key stays.
    Never,
    /// The key is there until then.
    At(u64),
}

fn get(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.maybe(call.core.keyspace.text(call.arg(1))?);
    Ok(())
}

fn mget(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.array(call.args.len() - 1);
    for key in &call.args[1..] {
        call.reply.maybe(call.core.keyspace.text(key).unwrap_or(None));
    }
    Ok(())
}

fn strlen(call: &mut CommandContext<'_>) -> CommandResult {
    let length = call.core.keyspace.text(call.arg(1))?.map_or(0, <[u8]>::len);
    call.reply.count(length);
    Ok(())
}

fn set(call: &mut CommandContext<'_>) -> CommandResult {
    let key = call.arg(1);
    let (mut condition, mut expiry, mut gets) = (Condition::Always, Expiry::Never, false);
    let mut time = None;
    let mut at = 3;
    while at < call.args.len() {
        let fresh = expiry == Expiry::Never && time.is_none();
        if call.is(at, "NX") && condition != Condition::IfThere {
            condition = Condition::IfMissing;
        } else if call.is(at, "XX") && condition != Condition::IfMissing {
            condition = Condition::IfThere;
        } else if call.is(at, "GET") {
            gets = true;
        } else if call.is(at, "KEEPTTL") && fresh {
            expiry = Expiry::Kept;
        } else if let Some(unit) = unit(call, at).filter(|_| fresh && call.after(at) >= 1) {
            time = Some((at + 1, unit));
            at += 1;
        } else {
            return Err(SYNTAX);
        }
        at += 1;
    }
    if let Some((at, unit)) = time {
        expiry = Expiry::At(until(call, at, unit)?);
    }
    if gets {
        call.reply.maybe(call.core.keyspace.text(key)?);
    }
    let writes = match condition {
        Condition::Always => true,
        Condition::IfMissing => !call.core.keyspace.contains(key),
        Condition::IfThere => call.core.keyspace.contains(key),
    };
    if writes {
        write(call, key, call.arg(2), expiry);
    }
    match (gets, writes) {
        (true, _) => {}
        (false, true) => call.reply.ok(),
        (false, false) => call.reply.nil(),
    }
    Ok(())
}

fn unit(call: &CommandContext<'_>, at: usize) -> Option<Unit> {
    let units = [
        ("EX", Unit { is_seconds: true, is_absolute: false }),
        ("PX", Unit { is_seconds: false, is_absolute: false }),
        ("EXAT", Unit { is_seconds: true, is_absolute: true }),
        ("PXAT", Unit { is_seconds: false, is_absolute: true }),
    ];
    units.into_iter().find(|(word, _)| call.is(at, word)).map(|(_, unit)| unit)
}

/// Reads until when a key is to be there, which is not before it is written.
fn until(call: &CommandContext<'_>, at: usize, unit: Unit) -> Result<u64, CommandError> {
    let given = call.integer(at)?;
    let until = if given > 0 { deadline(given, unit, call.now()) } else { None };
    let name = call.command.spec.name.as_bytes();
    until.ok_or_else(|| CommandError::with(&[b"ERR invalid expire time in '", name, b"' command"]))
}

fn write(call: &mut CommandContext<'_>, key: &[u8], value: &[u8], expiry: Expiry) {
    let until = match expiry {
        Expiry::Kept => call.core.keyspace.expires_at(key),
        Expiry::Never => None,
        Expiry::At(until) => Some(until),
    };
    call.core.put_text(key, value.to_vec(), until);
}

fn setex(call: &mut CommandContext<'_>) -> CommandResult {
    set_until(call, Unit { is_seconds: true, is_absolute: false })
}

fn psetex(call: &mut CommandContext<'_>) -> CommandResult {
    set_until(call, Unit { is_seconds: false, is_absolute: false })
}

fn set_until(call: &mut CommandContext<'_>, unit: Unit) -> CommandResult {
    let until = until(call, 2, unit)?;
    write(call, call.arg(1), call.arg(3), Expiry::At(until));
    call.reply.ok();
    Ok(())
}

fn setnx(call: &mut CommandContext<'_>) -> CommandResult {
    let writes = !call.core.keyspace.contains(call.arg(1));
    if writes {
        write(call, call.arg(1), call.arg(2), Expiry::Never);
    }
    call.reply.integer(i64::from(writes));
    Ok(())
}

fn getset(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.maybe(call.core.keyspace.text(call.arg(1))?);
    write(call, call.arg(1), call.arg(2), Expiry::Never);
    Ok(())
}

fn getdel(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.maybe(call.core.keyspace.text(call.arg(1))?);
    call.core.remove(call.arg(1));
    Ok(())
}

fn getex(call: &mut CommandContext<'_>) -> CommandResult {
    let key = call.arg(1);
    let unit = match call.args.len() {
        2 => None,
        3 if call.is(2, "PERSIST") => None,
        4 => Some(unit(call, 2).ok_or(SYNTAX)?),
        _ => return Err(SYNTAX),
    };
    let text = call.core.keyspace.text(key)?;
    call.reply.maybe(text);
    if text.is_none() || call.args.len() == 2 {
        return Ok(());
    }
    let until = unit.map(|unit| until(call, 3, unit)).transpose()?;
    if until.is_some_and(|until| until <= call.now()) {
        call.core.remove(key);
    } else if until.is_some() || call.core.keyspace.expires_at(key).is_some() {
        call.core.keyspace.set_expiry(key, until);
        call.core.touch(key);
    }
    Ok(())
}

fn mset(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity("mset"));
    }
    for pair in call.args[1..].chunks_exact(2) {
        write(call, pair[0], pair[1], Expiry::Never);
    }
    call.reply.ok();
    Ok(())
}

fn append(call: &mut CommandContext<'_>) -> CommandResult {
    let key = call.arg(1);
    let mut text = call.core.keyspace.text(key)?.unwrap_or_default().to_vec();
    text.extend_from_slice(call.arg(2));
    call.reply.count(text.len());
    call.core.keyspace.put(key, StoredValue::Text(text));
    call.core.touch(key);
    Ok(())
}
