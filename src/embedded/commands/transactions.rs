//! MULTI, EXEC and WATCH.

use crate::embedded::call::{Call, Outcome};
use crate::embedded::dispatch;
use crate::embedded::keyspace::Key;
use crate::embedded::monitor;
use crate::embedded::refusal::Refusal;
use crate::embedded::table::{self, Row, Run, row};

/// The rows of these commands.
pub const ROWS: &[Row] = &[
    row(
        "discard",
        1,
        "noscript loading stale fast allow_busy",
        [0, 0, 0],
        "fast transaction",
        Run::Handler(discard),
    ),
    row("exec", 1, "noscript loading stale skip_slowlog", [0, 0, 0], "slow transaction", Run::Handler(exec)),
    row(
        "multi",
        1,
        "noscript loading stale fast allow_busy",
        [0, 0, 0],
        "fast transaction",
        Run::Handler(multi),
    ),
    row(
        "unwatch",
        1,
        "noscript loading stale fast allow_busy",
        [0, 0, 0],
        "fast transaction",
        Run::Handler(unwatch),
    ),
    row(
        "watch",
        -2,
        "noscript loading stale fast allow_busy",
        [1, -1, 1],
        "fast transaction",
        Run::Handler(watch),
    ),
];

const NESTED: Refusal = Refusal::new("ERR MULTI calls can not be nested");
const NO_EXEC: Refusal = Refusal::new("ERR EXEC without MULTI");
const NO_DISCARD: Refusal = Refusal::new("ERR DISCARD without MULTI");
const TOO_LATE: Refusal = Refusal::new("ERR WATCH inside MULTI is not allowed");
const BROKEN: Refusal = Refusal::new("EXECABORT Transaction discarded because of previous errors.");

fn multi(call: &mut Call<'_>) -> Outcome {
    let transaction = &mut call.me().transaction;
    if transaction.queued.is_some() {
        return Err(NESTED);
    }
    transaction.queued = Some(Vec::new());
    call.reply.ok();
    Ok(())
}

fn exec(call: &mut Call<'_>) -> Outcome {
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
        let Ok(command) = table::resolve(&args) else { continue };
        if !command.is_silent {
            monitor::tell(call.core, id, &args, call.reply);
        }
        let (core, reply) = (&mut *call.core, &mut *call.reply);
        dispatch::run(&mut Call { core, client: id, args: &args, command, reply, in_transaction: true });
    }
    monitor::tell(call.core, id, call.args, call.reply);
    Ok(())
}

fn discard(call: &mut Call<'_>) -> Outcome {
    let id = call.client;
    if call.me().transaction.queued.is_none() {
        return Err(NO_DISCARD);
    }
    call.core.unwatch(id);
    call.me().transaction = Default::default();
    call.reply.ok();
    Ok(())
}

fn watch(call: &mut Call<'_>) -> Outcome {
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

fn unwatch(call: &mut Call<'_>) -> Outcome {
    call.core.unwatch(call.client);
    call.reply.ok();
    Ok(())
}
