//! Sets and sorted sets, as far as leases of partitions use them, for a simulation.

use super::delayed_sends::{store, table};
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, NOT_AN_INTEGER};
use crate::embedded::protocol::number;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("hexists", 3, "readonly fast", [1, 1, 1], "read hash fast", Run::Handler(sismember)),
    spec("renamenx", 3, "write fast", [1, 2, 1], "keyspace write fast", Run::Handler(renamenx)),
    spec("sadd", -3, "write denyoom fast", [1, 1, 1], "write set fast", Run::Handler(sadd)),
    spec("sismember", 3, "readonly fast", [1, 1, 1], "read set fast", Run::Handler(sismember)),
    spec("srem", -3, "write fast", [1, 1, 1], "write set fast", Run::Handler(srem)),
    spec("zadd", 4, "write denyoom fast", [1, 1, 1], "write sortedset fast", Run::Handler(zadd)),
    spec("zrangebyscore", 4, "readonly", [1, 1, 1], "read sortedset slow", Run::Handler(zrangebyscore)),
    spec("zrem", -3, "write fast", [1, 1, 1], "write sortedset fast", Run::Handler(srem)),
    spec("zremrangebyscore", 4, "write", [1, 1, 1], "write sortedset slow", Run::Handler(zremrangebyscore)),
];

const NO_SUCH_KEY: CommandError = CommandError::new("ERR no such key");

fn renamenx(call: &mut CommandContext<'_>) -> CommandResult {
    let (from, to) = (call.arg(1), call.arg(2));
    let is_free = !call.core.keyspace.contains(to);
    let expires_at = call.core.keyspace.expires_at(from);
    if !call.core.keyspace.contains(from) {
        return Err(NO_SUCH_KEY);
    }
    if is_free && let Some(value) = call.core.keyspace.remove(from) {
        call.core.keyspace.put(to, value);
        call.core.keyspace.set_expiry(to, expires_at);
        call.core.touch(from);
        call.core.touch(to);
    }
    call.reply.integer(i64::from(is_free));
    Ok(())
}

fn sadd(call: &mut CommandContext<'_>) -> CommandResult {
    let mut members = table(call, call.arg(1))?;
    let added =
        call.args[2..].iter().filter(|name| members.insert(name.to_vec(), Vec::new()).is_none()).count();
    store(call, call.arg(1), &members);
    call.reply.count(added);
    Ok(())
}

fn sismember(call: &mut CommandContext<'_>) -> CommandResult {
    let is_member = table(call, call.arg(1))?.contains_key(call.arg(2));
    call.reply.integer(i64::from(is_member));
    Ok(())
}

fn srem(call: &mut CommandContext<'_>) -> CommandResult {
    let mut members = table(call, call.arg(1))?;
    let removed = call.args[2..].iter().filter(|name| members.remove(**name).is_some()).count();
    store(call, call.arg(1), &members);
    call.reply.count(removed);
    Ok(())
}

fn zadd(call: &mut CommandContext<'_>) -> CommandResult {
    call.integer(2)?;
    let mut members = table(call, call.arg(1))?;
    let is_new = members.insert(call.arg(3).to_vec(), call.arg(2).to_vec()).is_none();
    store(call, call.arg(1), &members);
    call.reply.integer(i64::from(is_new));
    Ok(())
}

/// Members between the two scores of a call, in the order of their scores.
fn between(call: &CommandContext<'_>) -> Result<Vec<Vec<u8>>, CommandError> {
    let limit = |at: usize| match call.arg(at) {
        b"-inf" => Ok(i64::MIN),
        b"+inf" => Ok(i64::MAX),
        _ => call.integer(at),
    };
    let (from, to) = (limit(2)?, limit(3)?);
    let mut found = Vec::new();
    for (name, score) in table(call, call.arg(1))? {
        let score = number::parse(&score).ok_or(NOT_AN_INTEGER)?;
        if (from..=to).contains(&score) {
            found.push((score, name));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

fn zrangebyscore(call: &mut CommandContext<'_>) -> CommandResult {
    let found = between(call)?;
    call.reply.array(found.len());
    found.iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

fn zremrangebyscore(call: &mut CommandContext<'_>) -> CommandResult {
    let found = between(call)?;
    let mut members = table(call, call.arg(1))?;
    members.retain(|name, _| !found.contains(name));
    store(call, call.arg(1), &members);
    call.reply.count(found.len());
    Ok(())
}
