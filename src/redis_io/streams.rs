//! Packs the stream commands that the bus uses.

use super::command::{Commands, Destination};

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

/// Packs `XPENDING key group - + 1 consumer`: whether anything is pending for the consumer.
pub fn pack_pending_one(commands: &mut Commands, key: &str, group: &str, consumer: &str, to: Destination) {
    commands.begin("XPENDING", 7).key(key.as_bytes()).arg(group.as_bytes()).arg(b"-").arg(b"+").arg_number(1);
    commands.arg(consumer.as_bytes()).end(to);
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
    /// How many ms to wait for entries; `None` returns at once.
    pub block: Option<u64>,
}

impl Read<'_> {
    /// Packs the read of `streams`, each a key and an id. It is never sent twice: what a lost read took is found
    /// in the consumer's history.
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
