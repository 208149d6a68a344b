//! Packs the stream commands that the bus uses.

use std::fmt::Write;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::streams::entry::EntryId;

/// Packs `XGROUP CREATE key group id [MKSTREAM]`.
pub fn pack_group_create(
    commands: &mut Commands,
    key: &str,
    group: &str,
    id: &str,
    make_stream: bool,
    to: Destination,
) {
    commands.begin("XGROUP", if make_stream { 6 } else { 5 });
    commands.arg(b"CREATE").key(key.as_bytes()).arg(group.as_bytes()).arg(id.as_bytes());
    if make_stream {
        commands.arg(b"MKSTREAM");
    }
    commands.end(to);
}

/// Packs `XGROUP SETID key group id`.
pub fn pack_group_set_id(commands: &mut Commands, key: &str, group: &str, id: &str, to: Destination) {
    commands.begin("XGROUP", 5).arg(b"SETID").key(key.as_bytes()).arg(group.as_bytes()).arg(id.as_bytes());
    commands.end(to);
}

/// Packs `XGROUP DELCONSUMER key group consumer`.
pub fn pack_group_del_consumer(
    commands: &mut Commands,
    key: &str,
    group: &str,
    consumer: &str,
    to: Destination,
) {
    commands.begin("XGROUP", 5).arg(b"DELCONSUMER").key(key.as_bytes()).arg(group.as_bytes());
    commands.arg(consumer.as_bytes()).end(to);
}

/// Packs `XPENDING key group - + count consumer`, the query for the pending entries of a consumer.
pub fn pack_pending_of(
    commands: &mut Commands,
    (key, group, consumer): (&str, &str, &str),
    count: u64,
    to: Destination,
) {
    commands.begin("XPENDING", 7).key(key.as_bytes()).arg(group.as_bytes()).arg(b"-").arg(b"+");
    commands.arg_number(count).arg(consumer.as_bytes()).end(to);
}

/// Packs `XPENDING key group [IDLE ms] start + count`: a page of what is pending.
pub fn pack_pending_page(
    commands: &mut Commands,
    key: &str,
    group: &str,
    idle: Option<u64>,
    from: Option<EntryId>,
    count: usize,
    to: Destination,
) {
    commands.begin("XPENDING", if idle.is_some() { 8 } else { 6 }).key(key.as_bytes()).arg(group.as_bytes());
    if let Some(idle) = idle {
        commands.arg(b"IDLE").arg_number(idle);
    }
    let from = from.map_or_else(|| "-".to_owned(), |id| id.to_string());
    commands.arg(from.as_bytes()).arg(b"+").arg_number(count as u64).end(to);
}

/// Packs `XPENDING key group id id 1`: whether an entry is pending.
pub fn pack_pending_entry(commands: &mut Commands, key: &str, group: &str, id: EntryId, to: Destination) {
    let id = id.to_string();
    commands.begin("XPENDING", 6).key(key.as_bytes()).arg(group.as_bytes());
    commands.arg(id.as_bytes()).arg(id.as_bytes()).arg_number(1).end(to);
}

/// Packs `XPENDING key group`, which says how many entries are pending.
pub fn pack_pending_summary(commands: &mut Commands, key: &str, group: &str, to: Destination) {
    commands.begin("XPENDING", 3).key(key.as_bytes()).arg(group.as_bytes()).end(to);
}

/// Packs `XINFO GROUPS key`.
pub fn pack_groups(commands: &mut Commands, key: &str, to: Destination) {
    commands.begin("XINFO", 3).arg(b"GROUPS").key(key.as_bytes()).end(to);
}

/// Packs `XINFO CONSUMERS key group`.
pub fn pack_consumers(commands: &mut Commands, key: &str, group: &str, to: Destination) {
    commands.begin("XINFO", 4).arg(b"CONSUMERS").key(key.as_bytes()).arg(group.as_bytes()).end(to);
}

/// Packs `XINFO STREAM key`.
pub fn pack_stream(commands: &mut Commands, key: &str, to: Destination) {
    commands.begin("XINFO", 3).arg(b"STREAM").key(key.as_bytes()).end(to);
}

/// Packs `TIME`, of the server that has the key.
pub fn pack_time(commands: &mut Commands, key: &str, to: Destination) {
    commands.begin("TIME", 1).route_with(key.as_bytes()).end(to);
}

/// Effect of an XCLAIM on the entries that it takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Delivered once more, with their fields in the reply.
    Deliver,
    /// Delivered so often, for all that anybody will know, with their fields in the reply.
    DeliverAs(u64),
    /// Keeps the delivery count, and sets the idle time in ms.
    Touch {
        /// Idle time that the entries get.
        idle: u64,
    },
    /// Sets the maximum idle time, so that any consumer can claim them at once.
    HandBack,
    /// The same, with the delivery count from before, for entries whose job did not start.
    HandBackUnstarted(u64),
    /// Delivered so often, for all that anybody will know.
    Count(u64),
    /// The same, also of entries that were acknowledged.
    Restore(u64),
}

/// Packs `XCLAIM key group consumer min-idle id… […] [JUSTID] [FORCE]`.
pub fn pack_claim<'a>(
    commands: &mut Commands,
    (key, group, consumer): (&str, &str, &str),
    min_idle: u64,
    ids: impl ExactSizeIterator<Item = &'a EntryId>,
    claim: Claim,
    to: Destination,
) {
    let option = match claim {
        Claim::Deliver => None,
        Claim::Touch { idle } => Some((b"IDLE".as_slice(), idle)),
        Claim::HandBack | Claim::HandBackUnstarted(_) => Some((b"TIME".as_slice(), 0)),
        Claim::Count(count) | Claim::Restore(count) | Claim::DeliverAs(count) => {
            Some((b"RETRYCOUNT".as_slice(), count))
        }
    };
    let restores = matches!(claim, Claim::Restore(_));
    let returns_fields = matches!(claim, Claim::Deliver | Claim::DeliverAs(_));
    let count_before = match claim {
        Claim::HandBackUnstarted(count) => Some(count),
        _ => None,
    };
    let options = 2 * usize::from(option.is_some())
        + usize::from(!returns_fields)
        + usize::from(restores)
        + 2 * usize::from(count_before.is_some());
    commands.begin("XCLAIM", 5 + ids.len() + options);
    commands.key(key.as_bytes()).arg(group.as_bytes()).arg(consumer.as_bytes()).arg_number(min_idle);
    for id in ids {
        commands.arg(id.to_string().as_bytes());
    }
    if let Some((name, value)) = option {
        commands.arg(name).arg_number(value);
    }
    if !returns_fields {
        commands.arg(b"JUSTID");
    }
    if let Some(count) = count_before {
        commands.arg(b"RETRYCOUNT").arg_number(count);
    }
    if restores {
        commands.arg(b"FORCE");
    }
    commands.end(to);
}

/// Packs `XRANGE key id id`: an entry, if it is still there.
pub fn pack_entry(commands: &mut Commands, key: &str, id: EntryId, to: Destination) {
    let id = id.to_string();
    commands.begin("XRANGE", 4).key(key.as_bytes()).arg(id.as_bytes()).arg(id.as_bytes()).end(to);
}

/// Packs `XACK key group id…`. `count` is the number of `ids`.
pub fn pack_acknowledge(
    commands: &mut Commands,
    (key, group): (&str, &str),
    count: usize,
    ids: impl Iterator<Item = EntryId>,
    to: Destination,
) {
    commands.begin("XACK", 3 + count).key(key.as_bytes()).arg(group.as_bytes());
    let mut text = String::new();
    for id in ids {
        text.clear();
        // Writing to a string cannot fail.
        let _ = write!(text, "{id}");
        commands.arg(text.as_bytes());
    }
    commands.end(to);
}

/// Packs `XREVRANGE key + - COUNT 1`: the stream's last entry.
pub fn pack_last_entry(commands: &mut Commands, key: &str, to: Destination) {
    commands.begin("XREVRANGE", 6).key(key.as_bytes()).arg(b"+").arg(b"-").arg(b"COUNT").arg_number(1);
    commands.end(to);
}

/// One XREADGROUP.
#[derive(Debug)]
pub struct Read<'a> {
    /// The group's name.
    pub group: &'a str,
    /// The consumer's name.
    pub consumer: &'a str,
    /// The most entries per stream.
    pub count: u64,
    /// Maximum time to wait for entries, in ms. `None` returns at once.
    pub block: Option<u64>,
}

impl Read<'_> {
    /// Packs the read of `streams`, each a key and an id. It is never sent twice: the consumer's history has the
    /// entries of a lost read.
    pub fn pack<'k>(
        &self,
        commands: &mut Commands,
        streams: impl ExactSizeIterator<Item = (&'k str, &'k str)> + Clone,
        to: Destination,
    ) {
        let words = 7 + if self.block.is_some() { 2 } else { 0 } + 2 * streams.len();
        commands.begin("XREADGROUP", words).arg(b"GROUP");
        commands
            .arg(self.group.as_bytes())
            .arg(self.consumer.as_bytes())
            .arg(b"COUNT")
            .arg_number(self.count);
        if let Some(block) = self.block {
            commands.arg(b"BLOCK").arg_number(block);
        }
        commands.arg(b"STREAMS");
        for (key, _) in streams.clone() {
            commands.key(key.as_bytes());
        }
        for (_, id) in streams {
            commands.arg(id.as_bytes());
        }
        commands.end_once(to);
    }
}
