//! Subscriptions, and what is published.

use crate::embedded::clients::client_id::ClientId;
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::key::Key;
use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::redis_io::glob;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec(
        "psubscribe",
        -2,
        "pubsub noscript loading stale",
        [0, 0, 0],
        "pubsub slow",
        Run::Handler(psubscribe),
    ),
    spec("publish", 3, "pubsub loading stale fast", [0, 0, 0], "pubsub fast", Run::Handler(publish)),
    spec("pubsub|channels", -2, "pubsub loading stale", [0, 0, 0], "pubsub slow", Run::Handler(channels)),
    spec("pubsub|numpat", 2, "pubsub loading stale", [0, 0, 0], "pubsub slow", Run::Handler(numpat)),
    spec("pubsub|numsub", -2, "pubsub loading stale", [0, 0, 0], "pubsub slow", Run::Handler(numsub)),
    spec(
        "punsubscribe",
        -1,
        "pubsub noscript loading stale",
        [0, 0, 0],
        "pubsub slow",
        Run::Handler(punsubscribe),
    ),
    spec("subscribe", -2, "pubsub noscript loading stale", [0, 0, 0], "pubsub slow", Run::Handler(subscribe)),
    spec(
        "unsubscribe",
        -1,
        "pubsub noscript loading stale",
        [0, 0, 0],
        "pubsub slow",
        Run::Handler(unsubscribe),
    ),
    spec("pubsub", -2, "", [0, 0, 0], "slow", Run::Container),
];

/// Replies a change of subscription to a client, with the number of its subscriptions.
fn confirm(call: &mut CommandContext<'_>, kind: &str, name: Option<&[u8]>) {
    let count = call.me().subscriptions();
    call.reply.array(3);
    call.reply.text(kind);
    call.reply.maybe(name);
    call.reply.count(count);
}

fn subscribe(call: &mut CommandContext<'_>) -> CommandResult {
    let id = call.client;
    for name in &call.args[1..] {
        let channel = Key::from(*name);
        if call.me().channels.insert(channel.clone()) {
            call.core.channels.subscribe(channel, id);
        }
        confirm(call, "subscribe", Some(name));
    }
    Ok(())
}

fn psubscribe(call: &mut CommandContext<'_>) -> CommandResult {
    let id = call.client;
    for name in &call.args[1..] {
        let pattern = Key::from(*name);
        if call.me().patterns.insert(pattern.clone()) {
            call.core.channels.subscribe_pattern(pattern, id);
        }
        confirm(call, "psubscribe", Some(name));
    }
    Ok(())
}

fn unsubscribe(call: &mut CommandContext<'_>) -> CommandResult {
    let names: Vec<Key> = match call.args.len() {
        1 => call.me().channels.iter().cloned().collect(),
        _ => call.args[1..].iter().map(|&name| name.into()).collect(),
    };
    for name in &names {
        leave(call, name);
        confirm(call, "unsubscribe", Some(name));
    }
    if names.is_empty() {
        confirm(call, "unsubscribe", None);
    }
    Ok(())
}

fn punsubscribe(call: &mut CommandContext<'_>) -> CommandResult {
    let names: Vec<Key> = match call.args.len() {
        1 => call.me().patterns.iter().cloned().collect(),
        _ => call.args[1..].iter().map(|&name| name.into()).collect(),
    };
    for name in &names {
        leave_pattern(call, name);
        confirm(call, "punsubscribe", Some(name));
    }
    if names.is_empty() {
        confirm(call, "punsubscribe", None);
    }
    Ok(())
}

fn leave(call: &mut CommandContext<'_>, channel: &[u8]) {
    let id = call.client;
    if call.me().channels.remove(channel) {
        call.core.channels.unsubscribe(channel, id);
    }
}

fn leave_pattern(call: &mut CommandContext<'_>, pattern: &[u8]) {
    let id = call.client;
    if call.me().patterns.remove(pattern) {
        call.core.channels.unsubscribe_pattern(pattern, id);
    }
}

/// Ends all subscriptions of who calls.
pub fn leave_all(call: &mut CommandContext<'_>) {
    for channel in call.me().channels.clone() {
        leave(call, &channel);
    }
    for pattern in call.me().patterns.clone() {
        leave_pattern(call, &pattern);
    }
}

fn publish(call: &mut CommandContext<'_>) -> CommandResult {
    let (channel, message) = (call.arg(1), call.arg(2));
    if call.core.chaos.loses() {
        call.reply.integer(0);
        return Ok(());
    }
    let audience: Vec<(Option<Key>, Vec<ClientId>)> = call
        .core
        .channels
        .audience(channel)
        .map(|(pattern, clients)| (pattern.cloned(), clients.to_vec()))
        .collect();
    let mut receivers = 0;
    for (pattern, clients) in audience {
        // One at a time: a message may match many patterns.
        let bytes = announcement(pattern.as_ref(), channel, message);
        receivers += clients.len();
        for client in clients {
            call.push(client, &bytes);
        }
    }
    call.reply.count(receivers);
    Ok(())
}

fn announcement(pattern: Option<&Key>, channel: &[u8], message: &[u8]) -> Vec<u8> {
    let mut reply = ReplyBuffer::default();
    match pattern {
        Some(pattern) => {
            reply.array(4);
            reply.text("pmessage");
            reply.bulk(pattern);
        }
        None => {
            reply.array(3);
            reply.text("message");
        }
    }
    reply.bulk(channel);
    reply.bulk(message);
    reply.into_bytes()
}

fn channels(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() > 3 {
        return Err(unknown(call));
    }
    let pattern = call.args.get(2);
    let names: Vec<&Key> = call
        .core
        .channels
        .names()
        .filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name)))
        .collect();
    call.reply.array(names.len());
    for name in names {
        call.reply.bulk(name);
    }
    Ok(())
}

fn unknown(call: &CommandContext<'_>) -> CommandError {
    let sub = call.arg(1);
    CommandError::with(&[
        b"ERR unknown subcommand or wrong number of arguments for '",
        sub,
        b"'. Try PUBSUB HELP.",
    ])
}

fn numsub(call: &mut CommandContext<'_>) -> CommandResult {
    let names = &call.args[2..];
    call.reply.array(names.len() * 2);
    for name in names {
        call.reply.bulk(name);
        call.reply.count(call.core.channels.subscribers(name));
    }
    Ok(())
}

fn numpat(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.count(call.core.channels.pattern_count());
    Ok(())
}
