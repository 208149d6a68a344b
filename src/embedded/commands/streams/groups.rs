//! XGROUP.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::streams::group::ConsumerGroup;
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id;
use crate::redis_io::streams::entry::EntryId;

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("xgroup|create", -5, "write denyoom", [2, 2, 1], "write stream slow", Run::Handler(create)),
    spec(
        "xgroup|createconsumer",
        5,
        "write denyoom",
        [2, 2, 1],
        "write stream slow",
        Run::Handler(createconsumer),
    ),
    spec("xgroup|delconsumer", 5, "write", [2, 2, 1], "write stream slow", Run::Handler(delconsumer)),
    spec("xgroup|destroy", 4, "write", [2, 2, 1], "write stream slow", Run::Handler(destroy)),
    spec("xgroup|setid", -5, "write", [2, 2, 1], "write stream slow", Run::Handler(setid)),
    spec("xgroup", -2, "", [0, 0, 0], "slow", Run::Container),
];

const NO_STREAM: CommandError = CommandError::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);
const IS_THERE: CommandError = CommandError::new("BUSYGROUP Consumer Group name already exists");
const BAD_READ: CommandError = CommandError::new("ERR value for ENTRIESREAD must be positive or -1");

fn no_such_group(group: &[u8], key: &[u8]) -> CommandError {
    CommandError::with(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

/// Arguments of CREATE and SETID besides the id.
#[derive(Default)]
struct Options {
    make_stream: bool,
    read: Option<u64>,
}

impl Options {
    fn parse(call: &CommandContext<'_>, may_make: bool) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 5;
        while at < call.args.len() {
            if may_make && call.is(at, "MKSTREAM") {
                options.make_stream = true;
                at += 1;
            } else if call.is(at, "ENTRIESREAD") && call.after(at) > 0 {
                options.read = match call.integer(at + 1)? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| BAD_READ)?),
                };
                at += 2;
            } else {
                return Err(CommandError::with(&[
                    b"ERR unknown subcommand or wrong number of arguments for '",
                    call.arg(1),
                    b"'. Try XGROUP HELP.",
                ]));
            }
        }
        Ok(options)
    }
}

/// Returns the start of a group: an id, or the position behind the last entry. An existing group accepts the ends of a
/// range too.
fn position(text: &[u8], stream: Option<&Stream>, is_there: bool) -> Result<EntryId, CommandError> {
    match text {
        b"$" => Ok(stream.map_or(stream_id::LEAST, |stream| stream.log.last)),
        b"-" if is_there => Ok(stream_id::LEAST),
        b"+" if is_there => Ok(stream_id::GREATEST),
        text => stream_id::parse(text, 0),
    }
}

fn create(call: &mut CommandContext<'_>) -> CommandResult {
    let options = Options::parse(call, true)?;
    let (key, name) = (call.arg(2), call.arg(3));
    let stream = call.core.keyspace.stream(key)?;
    if stream.is_none() && !options.make_stream {
        return Err(NO_STREAM);
    }
    let last = position(call.arg(4), stream, false)?;
    if stream.is_none() {
        call.core.keyspace.put(key, StoredValue::Stream(Box::default()));
        // Of what is changed of groups, transactions that watch the key do not hear.
        call.core.touch(key);
    }
    let is_new = call.core.keyspace.change_stream(key, |stream| {
        let is_new = !stream.groups.contains_key(name);
        if is_new {
            stream.groups.insert(name.into(), ConsumerGroup::new(last, options.read));
        }
        is_new
    })?;
    if is_new != Some(true) {
        return Err(IS_THERE);
    }
    call.reply.ok();
    Ok(())
}

/// Changes a group that is there.
fn change<T>(
    call: &mut CommandContext<'_>,
    change: impl FnOnce(&mut ConsumerGroup) -> T,
) -> Result<T, CommandError> {
    let (key, name) = (call.arg(2), call.arg(3));
    call.core
        .keyspace
        .change_stream(key, |stream| stream.groups.get_mut(name).map(change))?
        .ok_or(NO_STREAM)?
        .ok_or_else(|| no_such_group(name, key))
}

fn setid(call: &mut CommandContext<'_>) -> CommandResult {
    let options = Options::parse(call, false)?;
    let stream = call.core.keyspace.stream(call.arg(2))?.ok_or(NO_STREAM)?;
    if !stream.groups.contains_key(call.arg(3)) {
        return Err(no_such_group(call.arg(3), call.arg(2)));
    }
    let last = position(call.arg(4), Some(stream), true)?;
    change(call, |group| {
        group.last = last;
        group.read = options.read;
    })?;
    call.reply.ok();
    Ok(())
}

fn destroy(call: &mut CommandContext<'_>) -> CommandResult {
    let (key, name) = (call.arg(2), call.arg(3));
    let removed = call.core.keyspace.change_stream(key, |stream| stream.groups.remove(name).is_some())?;
    let removed = removed.ok_or(NO_STREAM)?;
    if removed {
        call.core.waiting.signal(key);
    }
    call.reply.integer(i64::from(removed));
    Ok(())
}

fn createconsumer(call: &mut CommandContext<'_>) -> CommandResult {
    let (name, now) = (call.arg(4), call.now());
    let is_new = change(call, |group| !group.consumers.contains_key(name) && group.meet(name, now).1)?;
    call.reply.integer(i64::from(is_new));
    Ok(())
}

fn delconsumer(call: &mut CommandContext<'_>) -> CommandResult {
    let name = call.arg(4);
    let pending = change(call, |group| group.remove_consumer(name))?;
    call.reply.count(pending);
    Ok(())
}
