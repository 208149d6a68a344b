//! CLIENT.

use std::time::Duration;

use tokio::time::Instant;

use super::client_filter::{ClientFilter, ClientKind};
use crate::embedded::clients::client::{CloseReason, Replies};
use crate::embedded::clients::client_id::ClientId;
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::core::Pause;
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::protocol::number;
use crate::embedded::protocol::reply::ReplyBuffer;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("client|getname", 2, "noscript loading stale", [0, 0, 0], "slow connection", Run::Handler(getname)),
    spec("client|id", 2, "noscript loading stale", [0, 0, 0], "slow connection", Run::Handler(id)),
    spec("client|info", 2, "noscript loading stale", [0, 0, 0], "slow connection", Run::Handler(info)),
    spec(
        "client|kill",
        -3,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous connection",
        Run::Handler(kill),
    ),
    spec(
        "client|list",
        -2,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous connection",
        Run::Handler(list),
    ),
    spec(
        "client|no-evict",
        3,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous connection",
        Run::Handler(no_evict),
    ),
    spec(
        "client|pause",
        -3,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous connection",
        Run::Handler(pause),
    ),
    spec("client|reply", 3, "noscript loading stale", [0, 0, 0], "slow connection", Run::Handler(reply)),
    spec("client|setname", 3, "noscript loading stale", [0, 0, 0], "slow connection", Run::Handler(setname)),
    spec(
        "client|unblock",
        -3,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous connection",
        Run::Handler(unblock),
    ),
    spec(
        "client|unpause",
        2,
        "admin noscript loading stale",
        [0, 0, 0],
        "admin slow dangerous connection",
        Run::Handler(unpause),
    ),
    spec("client", -2, "", [0, 0, 0], "slow", Run::Container),
];

const BAD_NAME: CommandError =
    CommandError::new("ERR Client names cannot contain spaces, newlines or special characters.");
const NO_SUCH_CLIENT: CommandError = CommandError::new("ERR No such client");
const UNBLOCKED: CommandError = CommandError::new("UNBLOCKED client unblocked via CLIENT UNBLOCK");

/// Refuses a name that CLIENT LIST could not show.
pub fn check_name(name: &[u8]) -> CommandResult {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) { Ok(()) } else { Err(BAD_NAME) }
}

fn getname(call: &mut CommandContext<'_>) -> CommandResult {
    let name = call.me().name.clone();
    call.reply.maybe(Some(name.as_slice()).filter(|name| !name.is_empty()));
    Ok(())
}

fn id(call: &mut CommandContext<'_>) -> CommandResult {
    call.reply.integer(call.client);
    Ok(())
}

fn info(call: &mut CommandContext<'_>) -> CommandResult {
    let line = call.me().describe() + "\n";
    call.reply.text(&line);
    Ok(())
}

fn setname(call: &mut CommandContext<'_>) -> CommandResult {
    check_name(call.arg(2))?;
    call.me().name = call.arg(2).to_vec();
    call.reply.ok();
    Ok(())
}

fn list(call: &mut CommandContext<'_>) -> CommandResult {
    let chosen = match call.args.len() {
        2 => ClientFilter::default(),
        4 if call.is(2, "TYPE") => {
            ClientFilter { kind: Some(ClientKind::parse(call.arg(3))?), ..ClientFilter::default() }
        }
        4.. if call.is(2, "ID") => {
            let ids = call.args[3..].iter().map(|id| number::parse(id).filter(|&id| id > 0));
            let ids: Option<Vec<i64>> = ids.collect();
            ClientFilter {
                ids: Some(ids.ok_or(CommandError::new("ERR Invalid client ID"))?),
                ..ClientFilter::default()
            }
        }
        _ => return Err(SYNTAX),
    };
    let lines: String = call
        .core
        .clients
        .values()
        .filter(|client| chosen.has(client, call.client))
        .map(|client| client.describe() + "\n")
        .collect();
    call.reply.text(&lines);
    Ok(())
}

fn kill(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() == 3 {
        let chosen = ClientFilter { peer: Some(call.arg(2).to_vec()), ..ClientFilter::default() };
        if close(call, &chosen) == 0 {
            return Err(NO_SUCH_CLIENT);
        }
        call.reply.ok();
        return Ok(());
    }
    let chosen = ClientFilter::of_kill(call)?;
    let closed = close(call, &chosen);
    call.reply.count(closed);
    Ok(())
}

/// Closes clients, who calls after the reply. Returns how many.
fn close(call: &mut CommandContext<'_>, chosen: &ClientFilter) -> usize {
    let caller = call.client;
    let clients = call.core.clients.values().filter(|client| chosen.has(client, caller));
    let ids: Vec<ClientId> = clients.map(|client| client.id).collect();
    for &id in &ids {
        match id == caller {
            true => call.me().ending = CloseReason::AfterReplies,
            false => call.core.close(id),
        }
    }
    ids.len()
}

fn no_evict(call: &mut CommandContext<'_>) -> CommandResult {
    // The server never evicts a client, so both options hold already.
    if !call.is(2, "ON") && !call.is(2, "OFF") {
        return Err(SYNTAX);
    }
    call.reply.ok();
    Ok(())
}

fn pause(call: &mut CommandContext<'_>) -> CommandResult {
    let writes_only = match call.args.len() {
        4 if call.is(3, "WRITE") => true,
        4 if !call.is(3, "ALL") => {
            return Err(CommandError::new("ERR CLIENT PAUSE mode must be WRITE or ALL"));
        }
        3 | 4 => false,
        _ => return Err(SYNTAX),
    };
    let ms = timeout(call.arg(2))?;
    call.core.pause = Some(Pause { until: Instant::now() + Duration::from_millis(ms), writes_only });
    call.reply.ok();
    Ok(())
}

/// Reads how long to wait, in ms.
pub fn timeout(text: &[u8]) -> Result<u64, CommandError> {
    let ms = number::parse(text).ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    u64::try_from(ms).map_err(|_| CommandError::new("ERR timeout is negative"))
}

fn unpause(call: &mut CommandContext<'_>) -> CommandResult {
    call.core.resume();
    call.reply.ok();
    Ok(())
}

fn reply(call: &mut CommandContext<'_>) -> CommandResult {
    let replies = match call.arg(2).to_ascii_lowercase().as_slice() {
        b"on" => Replies::On,
        b"off" => Replies::Off,
        b"skip" if call.me().replies == Replies::Off => Replies::Off,
        b"skip" => Replies::SkipNext,
        _ => return Err(SYNTAX),
    };
    call.me().replies = replies;
    if replies == Replies::On {
        call.reply.ok();
    }
    Ok(())
}

fn unblock(call: &mut CommandContext<'_>) -> CommandResult {
    let with_error = match call.args.len() {
        3 => false,
        4 if call.is(3, "TIMEOUT") => false,
        4 if call.is(3, "ERROR") => true,
        _ => return Err(CommandError::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = call.integer(2)?;
    let released = call.core.release(id as ClientId, |reply: &mut ReplyBuffer| match with_error {
        true => reply.error(&UNBLOCKED),
        false => reply.nil_array(),
    });
    call.reply.integer(i64::from(released));
    Ok(())
}
