//! Decides the time of each command, or refuses it.

use std::sync::OnceLock;

use tokio::time::Instant;

use crate::embedded::clients::client::{CloseReason, Replies};
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::command::{Command, CommandContext, CommandResult, CommandTable};
use crate::embedded::command_lookup::resolve;
use crate::embedded::commands;
use crate::embedded::core::Core;
use crate::embedded::execution::run;
use crate::embedded::monitor;
use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::protocol::reply::ReplyBuffer;
use crate::embedded::serving;

const NO_AUTH: CommandError = CommandError::new("NOAUTH Authentication required.");
const OUT_OF_MEMORY: CommandError =
    CommandError::new("OOM command not allowed when used memory > 'maxmemory'.");

static TABLE: OnceLock<CommandTable> = OnceLock::new();

/// Returns the table of all commands.
pub fn table() -> &'static CommandTable {
    TABLE.get_or_init(|| CommandTable::new(commands::specs()))
}

/// Memory of a queued word besides its bytes.
const QUEUED_OVERHEAD: usize = 16;

/// Executes or rejects the command of a client.
pub fn execute(core: &mut Core, client: ClientId, args: &[&[u8]], reply: &mut ReplyBuffer) {
    core.expire();
    core.commands += 1;
    let start = reply.len();
    if is_browser(args) {
        return end_at_once(core, client);
    }
    if let Some(client) = core.clients.get_mut(&client)
        && client.replies == Replies::SkipNext
    {
        client.replies = Replies::Skip;
    }
    match resolve(table(), args) {
        Ok(command) => check_access(core, client, command, args, reply),
        #[cfg(feature = "simulation")]
        Err(_) if is_gated(core, client, None, args, reply) => {}
        Err(refusal) => reject(core, client, None, args, reply, &refusal),
    }
    let Some(client) = core.clients.get_mut(&client) else { return };
    match client.replies {
        // CLIENT REPLY SKIP has no reply itself.
        Replies::On | Replies::SkipNext => {}
        Replies::Off => reply.truncate(start),
        Replies::Skip => {
            reply.truncate(start);
            client.replies = Replies::On;
        }
    }
}

/// Returns true for HTTP, so that a page in a browser cannot send commands to a server on this machine.
fn is_browser(args: &[&[u8]]) -> bool {
    ["POST", "Host:"].iter().any(|word| args[0].eq_ignore_ascii_case(word.as_bytes()))
}

fn end_at_once(core: &mut Core, client: ClientId) {
    if let Some(client) = core.clients.get_mut(&client) {
        client.ending = CloseReason::AtOnce;
    }
}

/// Returns true if a command must wait for the end of a pause.
pub fn is_postponed(core: &mut Core, args: &[&[u8]]) -> bool {
    let Some(pause) = core.pause else { return false };
    if pause.until <= Instant::now() {
        core.resume();
        return false;
    }
    !pause.writes_only || resolve(table(), args).is_ok_and(|command| command.writes || is_publish(command))
}

fn is_publish(command: &Command) -> bool {
    command.spec.name == "publish"
}

fn check_access(
    core: &mut Core,
    id: ClientId,
    command: &'static Command,
    args: &[&[u8]],
    reply: &mut ReplyBuffer,
) {
    #[cfg(feature = "simulation")]
    if let Some(refused) = core.refusal
        && let Some(refusal) = refused.of(command.spec.name, command.writes, command.needs_memory)
    {
        return reject(core, id, Some(command), args, reply, &refusal);
    }
    #[cfg(feature = "simulation")]
    if is_gated(core, id, Some(command), args, reply) {
        return;
    }
    if let Err(refusal) = authorize(core, id, command) {
        return reject(core, id, Some(command), args, reply, &refusal);
    }
    let Some(client) = core.clients.get_mut(&id) else { return };
    client.last_command = command.spec.name;
    client.active = Instant::now();
    if let Some(queued) = &mut client.transaction.queued
        && !command.ends_transaction
    {
        let size =
            args.iter().map(|arg| arg.len() + QUEUED_OVERHEAD).sum::<usize>() + client.transaction.size;
        if core.max_memory > 0 && size > core.max_memory {
            return reject(core, id, Some(command), args, reply, &OUT_OF_MEMORY);
        }
        queued.push(args.iter().map(|&arg| arg.into()).collect());
        client.transaction.size = size;
        client.transaction.needs_memory |= command.needs_memory;
        return reply.simple("QUEUED");
    }
    if !command.is_silent {
        monitor::tell(core, id, args, reply);
    }
    run(&mut CommandContext {
        core,
        client: id,
        args,
        command,
        table: table(),
        reply,
        in_transaction: false,
    });
    serving::serve_ready(core);
}

/// Returns true if the gate of a simulated server has replied to the command.
#[cfg(feature = "simulation")]
fn is_gated(
    core: &mut Core,
    id: ClientId,
    command: Option<&Command>,
    args: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> bool {
    use crate::embedded::{gating, simulation::gate::Decision};
    match gating::decide(core, table(), id, command, args) {
        Decision::Pass => return false,
        Decision::Reply(bytes) => reply.raw(&bytes),
        Decision::Refuse(text) => {
            let refusal = CommandError::with(&[text.as_bytes()]);
            let start = reply.len();
            reject(core, id, command, args, reply, &refusal);
            // A redirected EXEC has the redirect as its error.
            reply.truncate(start);
            reply.error(&refusal);
        }
    }
    true
}

/// Returns an error if the client cannot call the command now.
fn authorize(core: &mut Core, id: ClientId, command: &Command) -> CommandResult {
    let is_full = core.is_full();
    let Some(client) = core.clients.get(&id) else { return Ok(()) };
    if !client.is_authenticated && !command.is_open {
        return Err(NO_AUTH);
    }
    let needs_memory = match command.spec.name {
        "exec" => client.transaction.needs_memory,
        _ => command.needs_memory,
    };
    if is_full && needs_memory {
        return Err(OUT_OF_MEMORY);
    }
    if client.subscriptions() > 0 && !command.is_for_subscribers {
        let name = command.spec.name.as_bytes();
        return Err(CommandError::with(&[
            b"ERR Can't execute '",
            name,
            b"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
        ]));
    }
    Ok(())
}

/// A command that is not tried also spoils the transaction it was for, or ends it if it is EXEC.
fn reject(
    core: &mut Core,
    id: ClientId,
    command: Option<&Command>,
    args: &[&[u8]],
    reply: &mut ReplyBuffer,
    refusal: &CommandError,
) {
    if let Some(command) = command {
        core.counts[command.number].rejected += 1;
    }
    if args[0].eq_ignore_ascii_case(b"exec") {
        core.unwatch(id);
        if let Some(client) = core.clients.get_mut(&id) {
            client.transaction = Default::default();
        }
        let reason = refusal.text().strip_prefix(b"ERR ").unwrap_or(refusal.text());
        return reply.error(&CommandError::with(&[b"EXECABORT Transaction discarded because of: ", reason]));
    }
    if let Some(client) = core.clients.get_mut(&id)
        && client.transaction.queued.is_some()
    {
        client.transaction.is_broken = true;
    }
    reply.error(refusal);
}
