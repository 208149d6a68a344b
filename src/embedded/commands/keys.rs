//! Keys, whatever they hold.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER, SYNTAX};
use crate::redis_io::glob;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("dbsize", 1, "readonly fast", [0, 0, 0], "keyspace read fast", Run::Handler(dbsize)),
    spec("del", -2, "write", [1, -1, 1], "keyspace write slow", Run::Handler(del)),
    spec("exists", -2, "readonly fast", [1, -1, 1], "keyspace read fast", Run::Handler(exists)),
    spec("flushall", -1, "write", [0, 0, 0], "keyspace write slow dangerous", Run::Handler(flushall)),
    spec("flushdb", -1, "write", [0, 0, 0], "keyspace write slow dangerous", Run::Handler(flushdb)),
    spec("keys", 2, "readonly", [0, 0, 0], "keyspace read slow dangerous", Run::Handler(keys)),
    spec("scan", -2, "readonly", [0, 0, 0], "keyspace read slow", Run::Handler(scan)),
    spec("touch", -2, "readonly fast", [1, -1, 1], "keyspace read fast", Run::Handler(touch)),
    spec("type", 2, "readonly fast", [1, 1, 1], "keyspace read fast", Run::Handler(r#type)),
    spec("unlink", -2, "write fast", [1, -1, 1], "keyspace write fast", Run::Handler(unlink)),
];

/// Default number of keys that a SCAN visits.
const SCANNED: u64 = 10;

fn dbsize(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.count(call.core.keyspace.len());
    Ok(())
}

fn exists(call: &mut CommandContext<'_>) -> CommandResult {
    let there = call.args[1..].iter().filter(|key| call.core.keyspace.contains(key)).count();
    call.reply.count(there);
    Ok(())
}

fn touch(call: &mut CommandContext<'_>) -> CommandResult {
    exists(call)
}

fn del(call: &mut CommandContext<'_>) -> CommandResult {
    let removed = call.args[1..].iter().filter(|key| call.core.remove(key)).count();
    call.reply.count(removed);
    Ok(())
}

fn unlink(call: &mut CommandContext<'_>) -> CommandResult {
    del(call)
}

fn flushall(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() > 2 || call.args.len() == 2 && !call.is(1, "SYNC") && !call.is(1, "ASYNC") {
        return Err(SYNTAX);
    }
    call.core.flush();
    call.reply.ok();
    Ok(())
}

fn flushdb(call: &mut CommandContext<'_>) -> CommandResult {
    flushall(call)
}

fn r#type(call: &mut CommandContext<'_>) -> CommandResult {
    let name = call.core.keyspace.get(call.arg(1)).map_or("none", |value| value.type_name());
    call.reply.simple(name);
    Ok(())
}

fn keys(call: &mut CommandContext<'_>) -> CommandResult {
    let open = call.reply.open();
    let mut count = 0;
    for (_, key, _) in call.core.keyspace.from(0).filter(|(_, key, _)| glob::matches(call.args[1], key)) {
        call.reply.bulk(key);
        count += 1;
    }
    call.reply.close(open, count);
    Ok(())
}

fn scan(call: &mut CommandContext<'_>) -> CommandResult {
    let cursor = match call.arg(1) {
        b"" => Some(0),
        text => std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()),
    };
    let cursor = cursor.ok_or(CommandError::new("ERR invalid cursor"))?;
    let (mut count, mut pattern, mut kind) = (SCANNED, None, None);
    for at in (2..call.args.len()).step_by(2) {
        if call.after(at) == 0 {
            return Err(SYNTAX);
        } else if call.is(at, "COUNT") {
            count = u64::try_from(call.integer(at + 1)?).map_err(|_| SYNTAX)?;
            if count == 0 {
                return Err(SYNTAX);
            }
        } else if call.is(at, "MATCH") {
            pattern = Some(call.arg(at + 1));
        } else if call.is(at, "TYPE") {
            kind = Some(call.arg(at + 1).to_ascii_lowercase());
        } else {
            return Err(SYNTAX);
        }
    }
    let mut found = Vec::new();
    let mut met = call.core.keyspace.from(cursor);
    let mut next = 0;
    for (after, key, value) in met.by_ref().take(usize::try_from(count).map_err(|_| NOT_AN_INTEGER)?) {
        next = after;
        let is_kind = kind.as_ref().is_none_or(|kind| *kind == value.type_name().as_bytes());
        if is_kind && pattern.is_none_or(|pattern| glob::matches(pattern, key)) {
            found.push(key);
        }
    }
    let next = met.next().map_or(0, |_| next);
    call.reply.array(2);
    call.reply.digits(next);
    call.reply.array(found.len());
    for key in found {
        call.reply.bulk(key);
    }
    Ok(())
}
