//! A stream in XINFO STREAM. Pure.

use crate::redis_io::resp::{Reply, Value};
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};

use crate::engine::protocol::named_fields::{count, each_field, id};

/// Extent of a stream. A consumer queries it often, so it is read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Number of entries that were ever added.
    pub added: u64,
    /// Number of entries.
    pub length: u64,
    /// First entry that the stream still has.
    pub first: Option<EntryId>,
    /// Last entry that was added.
    pub last: EntryId,
}

/// End of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// Last id that was added.
    pub id: EntryId,
    /// Last entry, if the stream still has one and it belongs to a job.
    pub entry: Option<OwnedEntry>,
}

impl StreamInfo {
    /// Reads a reply. `None` before Redis 7, which does not count added entries.
    pub fn read(reply: &Reply<'_>) -> Option<Self> {
        let Reply::Array(fields) = reply else { return None };
        let mut fields = fields.clone();
        let (mut added, mut length, mut first, mut last) = (None, None, None, None);
        let count_of_fields = fields.len();
        each_field(&mut fields, count_of_fields, |field, value| match field {
            b"entries-added" => added = count(value),
            b"length" => length = count(value),
            b"recorded-first-entry-id" => first = id(value),
            b"last-generated-id" => last = id(value),
            _ => {}
        })?;
        let first = first?;
        Some(Self {
            added: added?,
            length: length?,
            first: (first != EntryId::default()).then_some(first),
            last: last?,
        })
    }
}

impl StreamInfo {
    /// Reads a reply that was built up. `None` before Redis 7.
    pub fn read_built(reply: &Value) -> Option<Self> {
        let field = |name| reply.field(name).map(Value::token);
        let first = field("recorded-first-entry-id").and_then(id)?;
        Some(Self {
            added: field("entries-added").and_then(count)?,
            length: field("length").and_then(count)?,
            first: (first != EntryId::default()).then_some(first),
            last: field("last-generated-id").and_then(id)?,
        })
    }
}

impl StreamEnd {
    /// Reads a reply. Returns `None` for another reply.
    pub fn read(reply: &Value) -> Option<Self> {
        let id = reply.field("last-generated-id").and_then(Value::bytes).and_then(EntryId::parse)?;
        Some(Self { id, entry: reply.field("last-entry").and_then(OwnedEntry::read) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"*12\r\n$6\r\nlength\r\n:3\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n\
        $11\r\nfirst-entry\r\n*2\r\n$3\r\n7-0\r\n*2\r\n$6\r\nlength\r\n:99\r\n\
        $23\r\nrecorded-first-entry-id\r\n$3\r\n7-0\r\n$13\r\nentries-added\r\n:8\r\n\
        $10\r\nlast-entry\r\n*-1\r\n";

    fn reply(bytes: &[u8]) -> Reply<'_> {
        Reply::new(bytes).expect("complete")
    }

    fn entry(time: u64) -> EntryId {
        EntryId { time, sequence: 0 }
    }

    #[test]
    fn a_stream_is_read_as_redis_7_writes_it_and_is_nothing_before() {
        let extent = StreamInfo { added: 8, length: 3, first: Some(entry(7)), last: entry(9) };
        assert_eq!(StreamInfo::read(&reply(STREAM)), Some(extent));
        assert_eq!(StreamInfo::read_built(&Value::from(reply(STREAM))), Some(extent));
        let before = b"*4\r\n$6\r\nlength\r\n:3\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n";
        assert_eq!(StreamInfo::read(&reply(before)), None);
        assert_eq!(StreamInfo::read_built(&Value::from(reply(before))), None);
    }
}
