//! XREAD and XREADGROUP, and what becomes of those who wait in them.

use std::time::{Duration, Instant};

use super::super::call::{Call, Outcome};
use super::super::chaos::Chaos;
use super::super::client::ClientId;
use super::super::core::Core;
use super::super::group::{Group, Pending};
use super::super::keyspace::{Key, Value};
use super::super::log::Log;
use super::super::refusal::{Refusal, SYNTAX};
use super::super::reply::Reply;
use super::super::stream::Stream;
use super::super::stream_id::{self, GREATEST, LEAST};
use super::super::table::{Row, Run, row};
use super::super::waiting::{Blocked, Deadline, Reader};
use super::client::timeout;
use crate::redis_io::entries::EntryId;

/// The rows of these commands.
pub const ROWS: &[Row] = &[
    row(
        "xread",
        -4,
        "readonly blocking movablekeys",
        [0, 0, 0],
        "read stream slow blocking",
        Run::Handler(xread),
    ),
    row(
        "xreadgroup",
        -7,
        "write blocking movablekeys",
        [0, 0, 0],
        "write stream slow blocking",
        Run::Handler(xreadgroup),
    ),
];

const ONLY_FOR_GROUPS: Refusal = Refusal::new(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
const MEANINGLESS: Refusal = Refusal::new(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const NO_GROUP_OPTION: Refusal = Refusal::new("ERR Missing GROUP option for XREADGROUP");
/// Which names XREAD in both.
const UNBALANCED: Refusal =
    Refusal::new("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
const GROUP_IS_GONE: Refusal =
    Refusal::new("NOGROUP the consumer group this client was blocked on no longer exists");
const STREAM_IS_GONE: Refusal = Refusal::new("UNBLOCKED the stream key no longer exists");
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
    fn read(call: &Call<'a>, for_group: bool) -> Result<Self, Refusal> {
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

fn only_xreadgroup(option: &str) -> Refusal {
    let option = option.as_bytes();
    Refusal::with(&[
        b"ERR The ",
        option,
        b" option is only supported by XREADGROUP. You called XREAD instead.",
    ])
}

fn xread(call: &mut Call<'_>) -> Outcome {
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
    call: &mut Call<'_>,
    open: super::super::reply::Open,
    served: usize,
    blocked: impl FnOnce() -> Blocked,
    block: Option<u64>,
) -> Outcome {
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

fn xreadgroup(call: &mut Call<'_>) -> Outcome {
    let options = Options::read(call, true)?;
    let Some((group, consumer)) = options.group else { return Err(NO_GROUP_OPTION) };
    let mut ids = Vec::with_capacity(options.keys.len());
    for (key, id) in options.keys.iter().zip(options.ids) {
        let stream = call.core.keyspace.stream(key)?;
        if stream.is_none_or(|stream| !stream.groups.contains_key(group)) {
            return Err(Refusal::no_group(key, group, " in XREADGROUP with GROUP option"));
        }
        ids.push(match *id {
            b"$" => return Err(MEANINGLESS),
            b">" => NEW,
            id => stream_id::parse(id, 0)?,
        });
    }
    let now = call.now();
    let open = call.reply.open();
    let mut served = 0;
    for (key, &after) in options.keys.iter().zip(&ids) {
        let Core { keyspace, chaos, .. } = &mut *call.core;
        let (reply, count) = (&mut *call.reply, options.count);
        let was_served = keyspace.change_stream(key, |Stream { log, groups }| {
            let Some(group) = groups.get_mut(group) else { return false };
            if after == NEW && !has_news(log, group) {
                return false;
            }
            let (consumer, _) = group.meet(consumer, now);
            let mut turn = Turn { log, group, consumer, no_ack: options.no_ack, count, now, chaos };
            match after {
                NEW => turn.read_new(key, reply),
                after => {
                    turn.read_again(key, after, reply);
                    true
                }
            }
        })?;
        if was_served == Some(true) {
            served += 1;
            call.core.touch(key);
            call.core.waiting.signal(key);
        }
    }
    finish(
        call,
        open,
        served,
        || Blocked {
            streams: options.keys.iter().map(|&key| Key::from(key)).zip(ids).collect(),
            reader: Some(Reader { group: group.into(), consumer: consumer.into(), no_ack: options.no_ack }),
            count: options.count,
            deadline: None,
        },
        options.block,
    )
}

/// Replies what is behind an id.
fn read_after(log: &Log, after: EntryId, count: usize, reply: &mut Reply) {
    let most = if count == 0 { usize::MAX } else { count };
    let open = reply.open();
    let mut written = 0;
    if let Some(from) = after.successor() {
        for entry in log.range(from, GREATEST).take(most) {
            entry.write(reply);
            written += 1;
        }
    }
    reply.close(open, written);
}

/// Whether a group has something to give. Only then it hears of the consumer that asks.
fn has_news(log: &Log, group: &Group) -> bool {
    log.length > 0 && log.last_valid_id() > group.last || !group.again.is_empty()
}

/// A consumer's read of one stream.
struct Turn<'a> {
    log: &'a Log,
    group: &'a mut Group,
    consumer: Key,
    no_ack: bool,
    count: usize,
    now: u64,
    chaos: &'a mut Chaos,
}

impl Turn<'_> {
    fn most(&self) -> usize {
        if self.count == 0 { usize::MAX } else { self.count }
    }

    /// Replies what the group has not read. Returns whether that was something.
    fn read_new(&mut self, key: &[u8], reply: &mut Reply) -> bool {
        let start = reply.len();
        reply.array(2);
        reply.bulk(key);
        let open = reply.open();
        let mut written = self.repeat(reply);
        let log = self.log;
        let from = self.group.last.successor().unwrap_or(GREATEST);
        for entry in log.range(from, GREATEST).take(self.most() - written) {
            self.advance(entry.id);
            entry.write(reply);
            written += 1;
            if self.no_ack {
                continue;
            }
            self.give(entry.id, 1);
            if self.chaos.duplicates() {
                self.group.again.push(entry.id);
            }
        }
        if written == 0 {
            reply.truncate(start);
            return false;
        }
        reply.close(open, written);
        true
    }

    /// Replies what is to be delivered once more, by chance. Returns how much that was.
    fn repeat(&mut self, reply: &mut Reply) -> usize {
        let most = self.most().min(self.group.again.len());
        let again: Vec<EntryId> = self.group.again.drain(..most).collect();
        let mut written = 0;
        for id in again {
            let Some(entry) = self.log.get(id) else { continue };
            entry.write(reply);
            let deliveries = self.group.pending.get(&id).map_or(1, |pending| pending.deliveries);
            self.give(id, deliveries + 1);
            written += 1;
        }
        written
    }

    /// The group has read up to `id`.
    fn advance(&mut self, id: EntryId) {
        let group = &mut *self.group;
        group.read = match group.read {
            Some(read) if !self.log.has_gaps(id) => Some(read + 1),
            _ if self.log.added > 0 => self.log.rank(id),
            read => read,
        };
        group.last = id;
    }

    fn give(&mut self, id: EntryId, deliveries: u64) {
        let pending = Pending { consumer: self.consumer.clone(), delivered_at: self.now, deliveries };
        self.group.assign(id, pending);
    }

    /// Replies what is pending for the consumer behind an id.
    fn read_again(&mut self, key: &[u8], after: EntryId, reply: &mut Reply) {
        reply.array(2);
        reply.bulk(key);
        let mine = self.group.consumers.get(&self.consumer).zip(after.successor());
        let ids: Vec<EntryId> = mine
            .map(|(consumer, from)| consumer.pending.range(from..).copied().take(self.most()).collect())
            .unwrap_or_default();
        reply.array(ids.len());
        for id in ids {
            let Some(entry) = self.log.get(id) else {
                reply.array(2);
                reply.id(id);
                reply.nil_array();
                continue;
            };
            entry.write(reply);
            if let Some(pending) = self.group.pending.get_mut(&id) {
                pending.delivered_at = self.now;
                pending.deliveries += 1;
            }
        }
    }
}

/// Serves those who wait for what a command has changed, in the order in which they came.
pub fn serve_ready(core: &mut Core) {
    while let Some(key) = core.waiting.next_ready() {
        for id in core.waiting.queue(&key) {
            serve(core, id, &key);
        }
    }
}

fn serve(core: &mut Core, id: ClientId, key: &Key) {
    let Some(blocked) = core.clients.get(&id).and_then(|client| client.blocked.clone()) else { return };
    let mut reply = Reply::default();
    match (&blocked.reader, core.keyspace.get(key)) {
        (None, Some(Value::Stream(stream))) => {
            let after = blocked.streams.iter().find(|(one, _)| one == key).map_or(GREATEST, |(_, id)| *id);
            if stream.log.length == 0 || stream.log.last_valid_id() <= after {
                return;
            }
            reply.array(1);
            reply.array(2);
            reply.bulk(key);
            read_after(&stream.log, after, blocked.count, &mut reply);
        }
        (None, _) => return,
        (Some(reader), Some(Value::Stream(_))) => {
            if !serve_reader(core, key, reader, blocked.count, &mut reply) {
                return;
            }
        }
        (Some(_), _) => reply.error(&STREAM_IS_GONE),
    }
    let bytes = reply.into_bytes();
    core.release(id, |reply| reply.raw(&bytes));
}

/// Returns whether the reader got something, if only that its group is gone.
fn serve_reader(core: &mut Core, key: &Key, reader: &Reader, count: usize, reply: &mut Reply) -> bool {
    let now = core.clock.now();
    let Core { keyspace, chaos, .. } = core;
    let served = keyspace.change_stream(key, |Stream { log, groups }| {
        let Some(group) = groups.get_mut(&reader.group) else {
            reply.error(&GROUP_IS_GONE);
            return true;
        };
        if !has_news(log, group) {
            return false;
        }
        let (consumer, _) = group.meet(&reader.consumer, now);
        let mut turn = Turn { log, group, consumer, no_ack: reader.no_ack, count, now, chaos };
        reply.array(1);
        turn.read_new(key, reply)
    });
    served.is_ok_and(|served| served == Some(true))
}
