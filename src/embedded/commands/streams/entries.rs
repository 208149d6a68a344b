//! The entries of streams: added, removed, looked at.

use crate::embedded::command::{CommandContext, CommandResult, CommandSpec, Run, spec};
use crate::embedded::keyspace::StoredValue;
use crate::embedded::protocol::command_error::{CommandError, NO_SUCH_KEY, SYNTAX};
use crate::embedded::streams::log::{Bound, Trim};
use crate::embedded::streams::node::MOST_ENTRIES;
use crate::embedded::streams::stream::Stream;
use crate::embedded::streams::stream_id::{self, LEAST, Wanted};

/// The rows of these commands.
pub const SPECS: &[CommandSpec] = &[
    spec("xadd", -5, "write denyoom fast", [1, 1, 1], "write stream fast", Run::Handler(xadd)),
    spec("xdel", -3, "write fast", [1, 1, 1], "write stream fast", Run::Handler(xdel)),
    spec("xlen", 2, "readonly fast", [1, 1, 1], "read stream fast", Run::Handler(xlen)),
    spec("xrange", -4, "readonly", [1, 1, 1], "read stream slow", Run::Handler(xrange)),
    spec("xrevrange", -4, "readonly", [1, 1, 1], "read stream slow", Run::Handler(xrevrange)),
    spec("xsetid", -3, "write denyoom fast", [1, 1, 1], "write stream fast", Run::Handler(xsetid)),
    spec("xtrim", -4, "write", [1, 1, 1], "write stream slow", Run::Handler(xtrim)),
];

const BOTH_BOUNDS: CommandError =
    CommandError::new("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const NO_BOUND: CommandError =
    CommandError::new("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const NOT_APPROXIMATE: CommandError =
    CommandError::new("ERR syntax error, LIMIT cannot be used without the special ~ option");
const NEGATIVE_LENGTH: CommandError = CommandError::new("ERR The MAXLEN argument must be >= 0.");
const NEGATIVE_LIMIT: CommandError = CommandError::new("ERR The LIMIT argument must be >= 0.");
const BELOW_TOP: CommandError =
    CommandError::new("ERR The ID specified in XSETID is smaller than the target stream top item");
const BELOW_DELETED: CommandError =
    CommandError::new("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
const TOO_FEW_ADDED: CommandError =
    CommandError::new("ERR The entries_added specified in XSETID is smaller than the target stream length");

/// Default maximum number of entries that an approximate trim removes.
const MOST_TRIMMED: u64 = 100 * MOST_ENTRIES as u64;

/// The options of XADD and XTRIM.
#[derive(Default)]
struct Options {
    trim: Option<(Bound, bool)>,
    limit: Option<u64>,
    only_if_there: bool,
    /// The first word that is no option.
    end: usize,
}

impl Options {
    /// Reads them, up to an id in the case of XADD.
    fn read(call: &CommandContext<'_>, adds: bool) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 2;
        while at < call.args.len() {
            let more = call.after(at);
            if more > 0 && (call.is(at, "MAXLEN") || call.is(at, "MINID")) {
                at = options.bound(call, at)?;
            } else if more > 0 && call.is(at, "LIMIT") {
                let limit = call.integer(at + 1)?;
                options.limit = Some(u64::try_from(limit).map_err(|_| NEGATIVE_LIMIT)?);
                at += 2;
            } else if adds && call.is(at, "NOMKSTREAM") {
                options.only_if_there = true;
                at += 1;
            } else if adds {
                break;
            } else {
                return Err(SYNTAX);
            }
        }
        options.end = at;
        Ok(options)
    }

    /// Reads what to trim to. Returns where it ends.
    fn bound(&mut self, call: &CommandContext<'_>, at: usize) -> Result<usize, CommandError> {
        if self.trim.is_some() {
            return Err(BOTH_BOUNDS);
        }
        let has_sign = call.after(at) >= 2 && (call.is(at + 1, "~") || call.is(at + 1, "="));
        let approximate = has_sign && call.is(at + 1, "~");
        let value = if has_sign { at + 2 } else { at + 1 };
        let bound = if call.is(at, "MAXLEN") {
            Bound::Length(u64::try_from(call.integer(value)?).map_err(|_| NEGATIVE_LENGTH)?)
        } else {
            Bound::Id(stream_id::parse(call.arg(value), 0)?)
        };
        self.trim = Some((bound, approximate));
        Ok(value + 1)
    }

    fn into_trim(self) -> Result<Option<Trim>, CommandError> {
        match (self.trim, self.limit) {
            (None, Some(limit)) if limit > 0 => Err(NO_BOUND),
            (None, _) => Ok(None),
            (Some((_, false)), Some(_)) => Err(NOT_APPROXIMATE),
            (Some((bound, approximate)), limit) => {
                let limit = if approximate { limit.unwrap_or(MOST_TRIMMED) } else { 0 };
                Ok(Some(Trim { bound, approximate, limit }))
            }
        }
    }
}

fn xadd(call: &mut CommandContext<'_>) -> CommandResult {
    let options = Options::read(call, true)?;
    let (end, only_if_there) = (options.end, options.only_if_there);
    let wanted = call.args.get(end).map(|text| Wanted::parse(text)).transpose()?;
    let trim = options.into_trim()?;
    let fields = call.args.get(end + 1..).unwrap_or_default();
    let Some(wanted) = wanted.filter(|_| !fields.is_empty() && fields.len().is_multiple_of(2)) else {
        return Err(CommandError::wrong_arity("xadd"));
    };
    if wanted == Wanted::Exactly(LEAST) {
        return Err(CommandError::new("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, now) = (call.arg(1), call.now());
    let is_new = call.core.keyspace.stream(key)?.is_none();
    if is_new && only_if_there {
        call.reply.nil();
        return Ok(());
    }
    if is_new {
        call.core.keyspace.put(key, StoredValue::Stream(Box::default()));
    }
    let added = call.core.keyspace.change_stream(key, |stream| {
        let id = stream.log.next_id(wanted, now)?;
        stream.log.append(id, fields);
        if let Some(trim) = trim {
            stream.log.trim(trim);
        }
        Ok(id)
    })?;
    if let Some(id) = added.transpose()? {
        call.core.touch(key);
        call.core.waiting.signal(key);
        call.reply.id(id);
    }
    Ok(())
}

fn xtrim(call: &mut CommandContext<'_>) -> CommandResult {
    let trim = Options::read(call, false)?.into_trim()?;
    let key = call.arg(1);
    let trim = trim.ok_or(SYNTAX)?;
    let removed = call.core.keyspace.change_stream(key, |stream| stream.log.trim(trim))?;
    changed(call, removed)
}

fn xdel(call: &mut CommandContext<'_>) -> CommandResult {
    let key = call.arg(1);
    if call.core.keyspace.stream(key)?.is_none() {
        call.reply.integer(0);
        return Ok(());
    }
    let ids: Result<Vec<_>, _> = call.args[2..].iter().map(|id| stream_id::parse(id, 0)).collect();
    let ids = ids?;
    let deleted = call
        .core
        .keyspace
        .change_stream(key, |stream| ids.iter().filter(|&&id| stream.log.delete(id)).count())?;
    changed(call, deleted)
}

/// Replies how much of a stream was removed.
fn changed(call: &mut CommandContext<'_>, removed: Option<usize>) -> CommandResult {
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        call.core.touch(call.args[1]);
    }
    call.reply.count(removed);
    Ok(())
}

fn xlen(call: &mut CommandContext<'_>) -> CommandResult {
    let length = call.core.keyspace.stream(call.arg(1))?.map_or(0, |stream| stream.log.length);
    call.reply.count(length);
    Ok(())
}

fn xrange(call: &mut CommandContext<'_>) -> CommandResult {
    range(call, 2, 3, false)
}

fn xrevrange(call: &mut CommandContext<'_>) -> CommandResult {
    range(call, 3, 2, true)
}

fn range(call: &mut CommandContext<'_>, start: usize, end: usize, backwards: bool) -> CommandResult {
    let (from, to) = (stream_id::parse_start(call.arg(start))?, stream_id::parse_end(call.arg(end))?);
    let mut count = None;
    let mut at = 4;
    while at < call.args.len() {
        if !call.is(at, "COUNT") || call.after(at) == 0 {
            return Err(SYNTAX);
        }
        count = Some(call.integer(at + 1)?.max(0) as usize);
        at += 2;
    }
    let Some(stream) = call.core.keyspace.stream(call.arg(1))? else {
        call.reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        call.reply.nil_array();
        return Ok(());
    }
    let open = call.reply.open();
    let most = count.unwrap_or(usize::MAX);
    let mut written = 0;
    let mut entries = stream.log.range(from, to);
    while written < most {
        let Some(entry) = (if backwards { entries.next_back() } else { entries.next() }) else { break };
        entry.write(call.reply);
        written += 1;
    }
    call.reply.close(open, written);
    Ok(())
}

fn xsetid(call: &mut CommandContext<'_>) -> CommandResult {
    let id = stream_id::parse(call.arg(2), 0)?;
    let (mut added, mut deleted) = (None, None);
    for at in (3..call.args.len()).step_by(2) {
        if call.after(at) == 0 {
            return Err(SYNTAX);
        } else if call.is(at, "ENTRIESADDED") {
            let given = call.integer(at + 1)?;
            added = Some(
                u64::try_from(given).map_err(|_| CommandError::new("ERR entries_added must be positive"))?,
            );
        } else if call.is(at, "MAXDELETEDID") {
            let given = stream_id::parse(call.arg(at + 1), 0)?;
            if id < given {
                return Err(BELOW_DELETED);
            }
            deleted = Some(given);
        } else {
            return Err(SYNTAX);
        }
    }
    let key = call.arg(1);
    call.core
        .keyspace
        .change_stream(key, |Stream { log, .. }| {
            if log.length > 0 && id < log.last_valid_id() {
                return Err(BELOW_TOP);
            }
            if log.length > 0 && added.is_some_and(|added| added < log.length as u64) {
                return Err(TOO_FEW_ADDED);
            }
            log.last = id;
            log.added = added.unwrap_or(log.added);
            log.max_deleted = deleted.filter(|&id| id != LEAST).unwrap_or(log.max_deleted);
            Ok(())
        })?
        .ok_or(NO_SUCH_KEY)??;
    call.reply.ok();
    Ok(())
}
