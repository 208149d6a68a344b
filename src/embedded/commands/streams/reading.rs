//! XREAD and XREADGROUP.

use std::time::Duration;

use tokio::time::Instant;

use crate::embedded::clients::waiting::{Blocked, Deadline, GroupReader};
use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::commands::client::timeout;
use crate::embedded::core::Core;
use crate::embedded::key::Key;
use crate::embedded::protocol::command_error::{CommandError, SYNTAX};
use crate::embedded::protocol::reply::Open;
use crate::embedded::streams::delivery::{ReadCursor, has_news, read_after};
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::{self, GREATEST, LEAST};
use crate::redis_io::streams::entry::EntryId;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec(
        "xread",
        -4,
        "readonly blocking movablekeys",
        [0, 0, 0],
        "read stream slow blocking",
        Run::Handler(xread),
    ),
    spec(
        "xreadgroup",
        -7,
        "write blocking movablekeys",
        [0, 0, 0],
        "write stream slow blocking",
        Run::Handler(xreadgroup),
    ),
];

const ONLY_FOR_GROUPS: CommandError = CommandError::new(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
const MEANINGLESS: CommandError = CommandError::new(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const NO_GROUP_OPTION: CommandError = CommandError::new("ERR Missing GROUP option for XREADGROUP");
/// Error of XREADGROUP too, which names XREAD in both cases.
const UNBALANCED: CommandError = CommandError::new(
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
);
/// The id that stands for what the group has not read.
const NEW: EntryId = GREATEST;

/// The words of a read.
#[derive(Default)]
struct Options<'a> {
    block: Option<u64>,
    count: usize,
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

impl<'a> Options<'a> {
    fn read(call: &CommandContext<'a>, for_group: bool) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 1;
        while options.keys.is_empty() {
            let more = call.after(at);
            if more >= 1 && call.is(at, "BLOCK") {
                options.block = Some(timeout(call.arg(at + 1))?);
                at += 2;
            } else if more >= 1 && call.is(at, "COUNT") {
                options.count = call.integer(at + 1)?.max(0) as usize;
                at += 2;
            } else if more >= 1 && call.is(at, "STREAMS") {
                if !more.is_multiple_of(2) {
                    return Err(UNBALANCED);
                }
                (options.keys, options.ids) = call.args[at + 1..].split_at(more / 2);
            } else if more >= 2 && call.is(at, "GROUP") {
                if !for_group {
                    return Err(only_xreadgroup("GROUP"));
                }
                options.group = Some((call.arg(at + 1), call.arg(at + 2)));
                at += 3;
            } else if call.is(at, "NOACK") {
                if !for_group {
                    return Err(only_xreadgroup("NOACK"));
                }
                options.no_ack = true;
                at += 1;
            } else {
                return Err(SYNTAX);
            }
        }
        if for_group && options.group.is_none() { Err(NO_GROUP_OPTION) } else { Ok(options) }
    }
}

fn only_xreadgroup(option: &str) -> CommandError {
    let option = option.as_bytes();
    CommandError::with(&[
        b"ERR The ",
        option,
        b" option is only supported by XREADGROUP. You called XREAD instead.",
    ])
}

fn xread(call: &mut CommandContext<'_>) -> CommandResult {
    let options = Options::read(call, false)?;
    let mut streams = Vec::with_capacity(options.keys.len());
    for (key, id) in options.keys.iter().zip(options.ids) {
        let stream = call.core.keyspace.stream(key)?;
        streams.push(match *id {
            b"$" => stream.map_or(LEAST, |stream| stream.log.last),
            b">" => return Err(ONLY_FOR_GROUPS),
            id => stream_id::parse(id, 0)?,
        });
    }
    let open = call.reply.open();
    let mut served = 0;
    for (key, &after) in options.keys.iter().zip(&streams) {
        let Some(stream) = call.core.keyspace.stream(key)? else { continue };
        if stream.log.length > 0 && stream.log.last_valid_id() > after {
            call.reply.array(2);
            call.reply.bulk(key);
            read_after(&stream.log, after, options.count, call.reply);
            served += 1;
        }
    }
    finish(
        call,
        open,
        served,
        || Blocked {
            streams: options.keys.iter().map(|&key| Key::from(key)).zip(streams).collect(),
            reader: None,
            count: options.count,
            deadline: None,
        },
        options.block,
    )
}

/// Closes the reply, or has the client wait.
fn finish(
    call: &mut CommandContext<'_>,
    open: Open,
    served: usize,
    blocked: impl FnOnce() -> Blocked,
    block: Option<u64>,
) -> CommandResult {
    match block {
        _ if served > 0 => call.reply.close(open, served),
        Some(ms) if !call.in_transaction => {
            let deadline = (ms > 0).then(|| Deadline { real: far(ms), clock: call.now().saturating_add(ms) });
            let blocked = Blocked { deadline, ..blocked() };
            call.core.block(call.client, blocked);
        }
        _ => call.reply.nil_array(),
    }
    Ok(())
}

/// So many ms from now, or as far as clocks go.
fn far(ms: u64) -> Instant {
    const LONGEST: u64 = 1000 * 60 * 60 * 24 * 365;
    Instant::now() + Duration::from_millis(ms.min(LONGEST))
}

fn xreadgroup(call: &mut CommandContext<'_>) -> CommandResult {
    let options = Options::read(call, true)?;
    let Some((group, consumer)) = options.group else { return Err(NO_GROUP_OPTION) };
    let mut ids = Vec::with_capacity(options.keys.len());
    for (key, id) in options.keys.iter().zip(options.ids) {
        let stream = call.core.keyspace.stream(key)?;
        if stream.is_none_or(|stream| !stream.groups.contains_key(group)) {
            return Err(CommandError::no_group(key, group, " in XREADGROUP with GROUP option"));
        }
        ids.push(match *id {
            b"$" => return Err(MEANINGLESS),
            b">" => NEW,
            id => stream_id::parse(id, 0)?,
        });
    }
    let reader = GroupReader { group: group.into(), consumer: consumer.into(), no_ack: options.no_ack };
    let open = call.reply.open();
    let mut served = 0;
    for (key, &after) in options.keys.iter().zip(&ids) {
        served += usize::from(read_one(call, key, after, &reader, options.count)?);
    }
    finish(
        call,
        open,
        served,
        || Blocked {
            streams: options.keys.iter().map(|&key| Key::from(key)).zip(ids).collect(),
            reader: Some(reader),
            count: options.count,
            deadline: None,
        },
        options.block,
    )
}

/// A consumer's read of one stream. Returns whether there is a reply.
fn read_one(
    call: &mut CommandContext<'_>,
    key: &[u8],
    after: EntryId,
    reader: &GroupReader,
    count: usize,
) -> Result<bool, CommandError> {
    let now = call.now();
    let Core { keyspace, chaos, .. } = &mut *call.core;
    let reply = &mut *call.reply;
    let start = reply.len();
    let read = keyspace.change_stream(key, |Stream { log, groups }| {
        let group = groups.get_mut(&reader.group)?;
        if after == NEW && !has_news(log, group) {
            return None;
        }
        let (consumer, _) = group.meet(&reader.consumer, now);
        let mut cursor = ReadCursor { log, group, consumer, no_ack: reader.no_ack, count, now, chaos };
        if after != NEW {
            cursor.read_again(key, after, reply);
        } else if !cursor.read_new(key, reply) {
            // The entries for a second delivery were deleted.
            reply.truncate(start);
            return None;
        }
        Some(!group.again.is_empty())
    })?;
    let Some(has_more) = read.flatten() else { return Ok(false) };
    if has_more {
        // By chance others get it too, at once if they wait.
        call.core.waiting.signal(key);
    }
    Ok(true)
}
