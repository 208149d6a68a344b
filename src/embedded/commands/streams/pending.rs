//! Commands on pending entries: XACK and XPENDING.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::streams::stream_id;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("xack", -4, "write fast", [1, 1, 1], "write stream fast", Run::Handler(xack)),
    spec("xpending", -3, "readonly", [1, 1, 1], "read stream slow", Run::Handler(xpending)),
];

/// Fails unless the stream and its group exist.
pub fn check_group(call: &CommandContext<'_>, key: &[u8], group: &[u8]) -> CommandResult {
    match call.core.keyspace.stream(key)? {
        Some(stream) if stream.groups.contains_key(group) => Ok(()),
        _ => Err(CommandError::no_group(key, group, "")),
    }
}

fn xack(call: &mut CommandContext<'_>) -> CommandResult {
    let (key, group) = (call.arg(1), call.arg(2));
    let is_there = call.core.keyspace.stream(key)?.is_some_and(|stream| stream.groups.contains_key(group));
    if !is_there {
        call.reply.integer(0);
        return Ok(());
    }
    let ids: Result<Vec<_>, _> = call.args[3..].iter().map(|id| stream_id::parse(id, 0)).collect();
    let ids = ids?;
    let settled = call.core.keyspace.change_stream(key, |stream| {
        let Some(group) = stream.groups.get_mut(group) else { return 0 };
        ids.iter().filter(|&&id| group.settle(id)).count()
    })?;
    call.reply.count(settled.unwrap_or(0));
    Ok(())
}

fn xpending(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() == 3 {
        return summary(call);
    }
    if !(6..=9).contains(&call.args.len()) {
        return Err(SYNTAX);
    }
    let (mut at, mut min_idle) = (3, 0);
    if call.is(3, "IDLE") {
        min_idle = call.integer(4)?.max(0) as u64;
        if call.args.len() < 8 {
            return Err(SYNTAX);
        }
        at = 5;
    }
    let count = call.integer(at + 2)?.max(0) as usize;
    let from = stream_id::parse_start(call.arg(at))?;
    let to = stream_id::parse_end(call.arg(at + 1))?;
    let consumer = call.args.get(at + 3).copied();
    check_group(call, call.arg(1), call.arg(2))?;
    let now = call.now();
    let Some(stream) = call.core.keyspace.stream(call.arg(1))? else { return Ok(()) };
    let Some(group) = stream.groups.get(call.arg(2)) else { return Ok(()) };
    let open = call.reply.open();
    let mut written = 0;
    let range = if from <= to { group.pending.range(from..=to) } else { Default::default() };
    for (id, pending) in range {
        let idle = now.saturating_sub(pending.delivered_at);
        if written == count {
            break;
        }
        if idle < min_idle || consumer.is_some_and(|consumer| *pending.consumer != *consumer) {
            continue;
        }
        call.reply.array(4);
        call.reply.id(*id);
        call.reply.bulk(&pending.consumer);
        call.reply.integer(idle);
        call.reply.integer(pending.deliveries);
        written += 1;
    }
    call.reply.close(open, written);
    Ok(())
}

fn summary(call: &mut CommandContext<'_>) -> CommandResult {
    check_group(call, call.arg(1), call.arg(2))?;
    let Some(stream) = call.core.keyspace.stream(call.arg(1))? else { return Ok(()) };
    let Some(group) = stream.groups.get(call.arg(2)) else { return Ok(()) };
    let reply = &mut *call.reply;
    reply.array(4);
    reply.count(group.pending.len());
    let Some((first, last)) = group.pending.keys().next().zip(group.pending.keys().next_back()) else {
        reply.nil();
        reply.nil();
        reply.nil_array();
        return Ok(());
    };
    reply.id(*first);
    reply.id(*last);
    let busy: Vec<_> = group.consumers.iter().filter(|(_, one)| !one.pending.is_empty()).collect();
    reply.array(busy.len());
    for (name, consumer) in busy {
        reply.array(2);
        reply.bulk(name);
        reply.digits(consumer.pending.len() as u64);
    }
    Ok(())
}
