//! XINFO.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::key::Key;
use crate::embedded::protocol::command_error::{CommandError, NO_SUCH_KEY};
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::streams::group::{ConsumerGroup, GroupConsumer};
use crate::embedded::streams::log::Log;
use crate::embedded::streams::node::StoredEntry;
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::{GREATEST, LEAST};

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("xinfo|consumers", 4, "readonly", [2, 2, 1], "read stream slow", Run::Handler(consumers)),
    spec("xinfo|groups", 3, "readonly", [2, 2, 1], "read stream slow", Run::Handler(groups)),
    spec("xinfo|stream", -3, "readonly", [2, 2, 1], "read stream slow", Run::Handler(stream)),
    spec("xinfo", -2, "", [0, 0, 0], "slow", Run::Container),
];

/// Default number of entries of each list in a full report.
const REPORTED: i64 = 10;

fn consumers(call: &mut CommandContext<'_>) -> CommandResult {
    let (key, name) = (call.arg(2), call.arg(3));
    let stream = call.core.keyspace.stream(key)?.ok_or(NO_SUCH_KEY)?;
    let group = stream.groups.get(name).ok_or_else(|| {
        CommandError::with(&[b"NOGROUP No such consumer group '", name, b"' for key name '", key, b"'"])
    })?;
    let now = call.core.clock.now();
    let reply = &mut *call.reply;
    reply.array(group.consumers.len());
    for (name, consumer) in &group.consumers {
        reply.array(6);
        reply.text("name");
        reply.bulk(name);
        reply.text("pending");
        reply.count(consumer.pending.len());
        reply.text("idle");
        reply.integer(now.saturating_sub(consumer.seen_at));
    }
    Ok(())
}

fn groups(call: &mut CommandContext<'_>) -> CommandResult {
    let stream = call.core.keyspace.stream(call.arg(2))?.ok_or(NO_SUCH_KEY)?;
    let reply = &mut *call.reply;
    reply.array(stream.groups.len());
    for (name, group) in &stream.groups {
        reply.array(12);
        reply.text("name");
        reply.bulk(name);
        reply.text("consumers");
        reply.count(group.consumers.len());
        reply.text("pending");
        reply.count(group.pending.len());
        position(&stream.log, group, reply);
    }
    Ok(())
}

/// Replies the position of a group.
fn position(log: &Log, group: &ConsumerGroup, reply: &mut ReplyBuffer) {
    reply.text("last-delivered-id");
    reply.id(group.last);
    let read = group.read.map(i128::from);
    for (name, count) in [("entries-read", read), ("lag", log.lag(group))] {
        reply.text(name);
        match count {
            Some(count) => reply.integer(count),
            None => reply.nil(),
        }
    }
}

fn stream(call: &mut CommandContext<'_>) -> CommandResult {
    let stream = call.core.keyspace.stream(call.arg(2))?.ok_or(NO_SUCH_KEY)?;
    let is_full = call.is(3, "FULL");
    let has_count = call.args.len() == 6 && is_full && call.is(4, "COUNT");
    if !(has_count || call.args.len() == 3 || call.args.len() == 4 && is_full) {
        let sub = call.arg(1);
        return Err(CommandError::with(&[
            b"ERR unknown subcommand or wrong number of arguments for '",
            sub,
            b"'. Try XINFO HELP.",
        ]));
    }
    let count = if has_count { call.integer(5)? } else { REPORTED };
    let most = is_full.then_some(if count < 0 { REPORTED } else { count });
    let reply = &mut *call.reply;
    reply.array(if most.is_some() { 18 } else { 20 });
    overview(&stream.log, reply);
    match most {
        Some(0) => details(stream, usize::MAX, reply),
        Some(most) => details(stream, most as usize, reply),
        None => edges(stream, reply),
    }
    Ok(())
}

fn overview(log: &Log, reply: &mut ReplyBuffer) {
    let nodes = log.node_count();
    reply.text("length");
    reply.count(log.length);
    reply.text("radix-tree-keys");
    reply.count(nodes);
    reply.text("radix-tree-nodes");
    reply.count(nodes + 1);
    let ids = [("last-generated-id", log.last), ("max-deleted-entry-id", log.max_deleted)];
    for (name, id) in ids {
        reply.text(name);
        reply.id(id);
    }
    reply.text("entries-added");
    reply.integer(log.added);
    reply.text("recorded-first-entry-id");
    reply.id(log.first_id());
}

fn edges(stream: &Stream, reply: &mut ReplyBuffer) {
    reply.text("groups");
    reply.count(stream.groups.len());
    let mut entries = stream.log.range(LEAST, GREATEST);
    let first = entries.next();
    let last = entries.next_back().or(first);
    for (name, entry) in [("first-entry", first), ("last-entry", last)] {
        reply.text(name);
        match entry {
            Some(entry) => entry.write(reply),
            None => reply.nil(),
        }
    }
}

fn details(stream: &Stream, most: usize, reply: &mut ReplyBuffer) {
    reply.text("entries");
    let entries: Vec<&StoredEntry> = stream.log.range(LEAST, GREATEST).take(most).collect();
    reply.array(entries.len());
    for entry in entries {
        entry.write(reply);
    }
    reply.text("groups");
    reply.array(stream.groups.len());
    for (name, group) in &stream.groups {
        reply.array(14);
        reply.text("name");
        reply.bulk(name);
        position(&stream.log, group, reply);
        pending(group, most, reply);
        reply.text("consumers");
        reply.array(group.consumers.len());
        for (name, consumer) in &group.consumers {
            report(name, consumer, group, most, reply);
        }
    }
}

fn pending(group: &ConsumerGroup, most: usize, reply: &mut ReplyBuffer) {
    reply.text("pel-count");
    reply.count(group.pending.len());
    reply.text("pending");
    reply.array(group.pending.len().min(most));
    for (id, pending) in group.pending.iter().take(most) {
        reply.array(4);
        reply.id(*id);
        reply.bulk(&pending.consumer);
        reply.integer(pending.delivered_at);
        reply.integer(pending.deliveries);
    }
}

fn report(name: &Key, consumer: &GroupConsumer, group: &ConsumerGroup, most: usize, reply: &mut ReplyBuffer) {
    reply.array(8);
    reply.text("name");
    reply.bulk(name);
    reply.text("seen-time");
    reply.integer(consumer.seen_at);
    reply.text("pel-count");
    reply.count(consumer.pending.len());
    reply.text("pending");
    reply.array(consumer.pending.len().min(most));
    for id in consumer.pending.iter().take(most) {
        let pending = group.pending.get(id);
        reply.array(3);
        reply.id(*id);
        reply.integer(pending.map_or(0, |pending| pending.delivered_at));
        reply.integer(pending.map_or(0, |pending| pending.deliveries));
    }
}
