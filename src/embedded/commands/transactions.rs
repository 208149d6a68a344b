//! MULTI, EXEC and WATCH.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::command_lookup::resolve;
use crate::embedded::execution::run;
use crate::embedded::key::Key;
use crate::embedded::monitor;
use crate::embedded::protocol::command_error::CommandError;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec(
        "discard",
        1,
        "noscript loading stale fast allow_busy",
        [0, 0, 0],
        "fast transaction",
        Run::Handler(discard),
    ),
    spec("exec", 1, "noscript loading stale skip_slowlog", [0, 0, 0], "slow transaction", Run::Handler(exec)),
    spec(
        "multi",
        1,
        "noscript loading stale fast allow_busy",
        [0, 0, 0],
        "fast transaction",
        Run::Handler(multi),
    ),
    spec(
        "unwatch",
        1,
        "noscript loading stale fast allow_busy",
        [0, 0, 0],
        "fast transaction",
        Run::Handler(unwatch),
    ),
    spec(
        "watch",
        -2,
        "noscript loading stale fast allow_busy",
        [1, -1, 1],
        "fast transaction",
        Run::Handler(watch),
    ),
];

const NESTED: CommandError = CommandError::new("ERR MULTI calls can not be nested");
const NO_EXEC: CommandError = CommandError::new("ERR EXEC without MULTI");
const NO_DISCARD: CommandError = CommandError::new("ERR DISCARD without MULTI");
const TOO_LATE: CommandError = CommandError::new("ERR WATCH inside MULTI is not allowed");
const BROKEN: CommandError = CommandError::new("EXECABORT Transaction discarded because of previous errors.");

fn multi(call: &mut CommandContext<'_>) -> CommandResult {
    let transaction = &mut call.me().transaction;
    if transaction.queued.is_some() {
        return Err(NESTED);
    }
    transaction.queued = Some(Vec::new());
    call.reply.ok();
    Ok(())
}

fn exec(call: &mut CommandContext<'_>) -> CommandResult {
    let id = call.client;
    let transaction = std::mem::take(&mut call.me().transaction);
    let is_dirty = transaction.is_dirty;
    call.me().transaction.watched = transaction.watched;
    let Some(queued) = transaction.queued else {
        call.me().transaction.is_dirty = is_dirty;
        return Err(NO_EXEC);
    };
    call.core.unwatch(id);
    if transaction.is_broken {
        return Err(BROKEN);
    }
    if is_dirty {
        call.reply.nil_array();
        return Ok(());
    }
    call.reply.array(queued.len());
    for words in &queued {
        let args: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        let Ok(command) = resolve(call.table, &args) else { continue };
        if !command.is_silent {
            monitor::tell(call.core, id, &args, call.reply);
        }
        let (core, reply) = (&mut *call.core, &mut *call.reply);
        run(&mut CommandContext {
            core,
            client: id,
            args: &args,
            command,
            table: call.table,
            reply,
            in_transaction: true,
        });
    }
    monitor::tell(call.core, id, call.args, call.reply);
    Ok(())
}

fn discard(call: &mut CommandContext<'_>) -> CommandResult {
    let id = call.client;
    if call.me().transaction.queued.is_none() {
        return Err(NO_DISCARD);
    }
    call.core.unwatch(id);
    call.me().transaction = Default::default();
    call.reply.ok();
    Ok(())
}

fn watch(call: &mut CommandContext<'_>) -> CommandResult {
    let id = call.client;
    if call.me().transaction.queued.is_some() {
        return Err(TOO_LATE);
    }
    for name in &call.args[1..] {
        let key = Key::from(*name);
        let watched = &mut call.me().transaction.watched;
        if !watched.contains(&key) {
            watched.push(key.clone());
            call.core.watchers.entry(key).or_default().push(id);
        }
    }
    call.reply.ok();
    Ok(())
}

fn unwatch(call: &mut CommandContext<'_>) -> CommandResult {
    call.core.unwatch(call.client);
    call.reply.ok();
    Ok(())
}
