//! AUTH, HELLO and what else is about the connection itself.

use super::client::check_name;
use super::pubsub;
use crate::embedded::clients::client::{CloseReason, Replies};
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::protocol::number;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec(
        "auth",
        -2,
        "noscript loading stale fast no_auth allow_busy",
        [0, 0, 0],
        "fast connection",
        Run::Handler(auth),
    ),
    spec("echo", 2, "loading stale fast", [0, 0, 0], "fast connection", Run::Handler(echo)),
    spec(
        "hello",
        -1,
        "noscript loading stale fast no_auth allow_busy",
        [0, 0, 0],
        "fast connection",
        Run::Handler(hello),
    ),
    spec("ping", -1, "fast", [0, 0, 0], "fast connection", Run::Handler(ping)),
    spec(
        "quit",
        -1,
        "noscript loading stale fast no_auth allow_busy",
        [0, 0, 0],
        "fast connection",
        Run::Handler(quit),
    ),
    spec(
        "reset",
        1,
        "noscript loading stale fast no_auth allow_busy",
        [0, 0, 0],
        "fast connection",
        Run::Handler(reset),
    ),
    spec("select", 2, "loading stale fast", [0, 0, 0], "fast connection", Run::Handler(select)),
];

const WRONG_PASSWORD: CommandError =
    CommandError::new("WRONGPASS invalid username-password pair or user is disabled.");
const NO_PASSWORD: CommandError = CommandError::new(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
     configuration is correct?",
);
const UNSUPPORTED: CommandError = CommandError::new("NOPROTO unsupported protocol version");
const NO_VERSION: CommandError = CommandError::new("ERR Protocol version is not an integer or out of range");
const NOT_AUTHENTICATED: CommandError = CommandError::new(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
     <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);

/// The version of Redis whose semantics these are.
pub const REDIS_VERSION: &str = "7.0.15";

fn auth(call: &mut CommandContext<'_>) -> CommandResult {
    match *call.args {
        [_, _] if call.core.password.is_none() => return Err(NO_PASSWORD),
        [_, password] => authenticate(call, b"default", password)?,
        [_, user, password] => authenticate(call, user, password)?,
        _ => return Err(SYNTAX),
    }
    call.reply.ok();
    Ok(())
}

/// There is one user, who needs no password if none was given at the start.
fn authenticate(call: &mut CommandContext<'_>, user: &[u8], password: &[u8]) -> CommandResult {
    let is_right = call.core.password.as_ref().is_none_or(|expected| expected == password);
    if user != b"default" || !is_right {
        return Err(WRONG_PASSWORD);
    }
    call.me().is_authenticated = true;
    Ok(())
}

fn echo(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.bulk(call.arg(1));
    Ok(())
}

fn hello(call: &mut CommandContext<'_>) -> CommandResult {
    let mut at = 1;
    if call.args.len() > 1 {
        match number::parse(call.arg(1)) {
            Some(2) => at = 2,
            Some(_) => return Err(UNSUPPORTED),
            None => return Err(NO_VERSION),
        }
    }
    let mut name = None;
    while at < call.args.len() {
        if call.is(at, "AUTH") && call.after(at) >= 2 {
            authenticate(call, call.arg(at + 1), call.arg(at + 2))?;
            at += 3;
        } else if call.is(at, "SETNAME") && call.after(at) >= 1 {
            name = Some(call.arg(at + 1));
            check_name(call.arg(at + 1))?;
            at += 2;
        } else {
            return Err(CommandError::with(&[b"ERR Syntax error in HELLO option '", call.arg(at), b"'"]));
        }
    }
    if !call.me().is_authenticated {
        return Err(NOT_AUTHENTICATED);
    }
    if let Some(name) = name {
        call.me().name = name.to_vec();
    }
    introduce(call);
    Ok(())
}

fn introduce(call: &mut CommandContext<'_>) {
    let id = call.client;
    let reply = &mut *call.reply;
    reply.array(14);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.text(name);
        reply.text(value);
    }
    for (name, value) in [("proto", 2), ("id", id)] {
        reply.text(name);
        reply.integer(value);
    }
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.text(name);
        reply.text(value);
    }
    reply.text("modules");
    reply.array(0);
}

fn ping(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() > 2 {
        return Err(CommandError::wrong_arity("ping"));
    }
    let message = call.args.get(1).copied();
    if call.me().subscriptions() > 0 {
        call.reply.array(2);
        call.reply.text("pong");
        call.reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        Some(message) => call.reply.bulk(message),
        None => call.reply.simple("PONG"),
    }
    Ok(())
}

fn quit(call: &mut CommandContext<'_>) -> CommandResult {
    call.me().ending = CloseReason::AfterReplies;
    call.reply.ok();
    Ok(())
}

fn reset(call: &mut CommandContext<'_>) -> CommandResult {
    let id = call.client;
    call.core.unwatch(id);
    call.core.monitors.retain(|&monitor| monitor != id);
    pubsub::leave_all(call);
    let is_open = call.core.password.is_none();
    let me = call.me();
    me.transaction = Default::default();
    me.is_monitor = false;
    me.name.clear();
    me.replies = Replies::On;
    me.is_authenticated = is_open;
    call.reply.simple("RESET");
    Ok(())
}

fn select(call: &mut CommandContext<'_>) -> CommandResult {
    if call.integer(1)? != 0 {
        return Err(CommandError::new("ERR DB index is out of range"));
    }
    call.reply.ok();
    Ok(())
}
