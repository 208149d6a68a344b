//! CLIENT.

use std::time::{Duration, Instant};

use crate::embedded::clients::client::{ClientState, CloseReason, Replies};
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
const BAD_ID: CommandError = CommandError::new("ERR client-id should be greater than 0");
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
        2 => Choice::default(),
        4 if call.is(2, "TYPE") => Choice { kind: Some(kind(call.arg(3))?), ..Choice::default() },
        4.. if call.is(2, "ID") => {
            let ids = call.args[3..].iter().map(|id| number::parse(id).filter(|&id| id > 0));
            let ids: Option<Vec<i64>> = ids.collect();
            Choice { ids: Some(ids.ok_or(CommandError::new("ERR Invalid client ID"))?), ..Choice::default() }
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

/// Type of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    PubSub,
    /// Never matches, since the server has no replicas.
    Replication,
}

fn kind(name: &[u8]) -> Result<Kind, CommandError> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Kind::Normal),
        b"pubsub" => Ok(Kind::PubSub),
        b"master" | b"replica" | b"slave" => Ok(Kind::Replication),
        _ => Err(CommandError::with(&[b"ERR Unknown client type '", name, b"'"])),
    }
}

/// Filter for clients.
#[derive(Default)]
struct Choice {
    ids: Option<Vec<i64>>,
    kind: Option<Kind>,
    peer: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    is_other: bool,
}

impl Choice {
    fn has(&self, client: &ClientState, caller: ClientId) -> bool {
        let is_kind = |kind| match kind {
            Kind::Normal => client.subscriptions() == 0,
            Kind::PubSub => client.subscriptions() > 0,
            Kind::Replication => false,
        };
        self.ids.as_ref().is_none_or(|ids| ids.contains(&(client.id as i64)))
            && self.kind.is_none_or(is_kind)
            && self.peer.as_ref().is_none_or(|peer| client.peer.to_string().as_bytes() == peer)
            && self.local.as_ref().is_none_or(|local| client.local.to_string().as_bytes() == local)
            && !(self.is_other && client.id == caller)
    }
}

fn kill(call: &mut CommandContext<'_>) -> CommandResult {
    if call.args.len() == 3 {
        let chosen = Choice { peer: Some(call.arg(2).to_vec()), ..Choice::default() };
        if close(call, &chosen) == 0 {
            return Err(NO_SUCH_CLIENT);
        }
        call.reply.ok();
        return Ok(());
    }
    let chosen = kill_choice(call)?;
    let closed = close(call, &chosen);
    call.reply.count(closed);
    Ok(())
}

fn kill_choice(call: &mut CommandContext<'_>) -> Result<Choice, CommandError> {
    let mut chosen = Choice { is_other: true, ..Choice::default() };
    for at in (2..call.args.len()).step_by(2) {
        let Some(&value) = call.args.get(at + 1) else { return Err(SYNTAX) };
        if call.is(at, "ID") {
            chosen.ids = Some(vec![number::parse(value).filter(|&id| id > 0).ok_or(BAD_ID)?]);
        } else if call.is(at, "TYPE") {
            chosen.kind = Some(kind(value)?);
        } else if call.is(at, "ADDR") {
            chosen.peer = Some(value.to_vec());
        } else if call.is(at, "LADDR") {
            chosen.local = Some(value.to_vec());
        } else if call.is(at, "USER") {
            if value != b"default" {
                return Err(CommandError::with(&[b"ERR No such user '", value, b"'"]));
            }
        } else if call.is(at, "SKIPME") {
            chosen.is_other = match value.to_ascii_lowercase().as_slice() {
                b"yes" => true,
                b"no" => false,
                _ => return Err(SYNTAX),
            };
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(chosen)
}

/// Closes clients, who calls after the reply. Returns how many.
fn close(call: &mut CommandContext<'_>, chosen: &Choice) -> usize {
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
