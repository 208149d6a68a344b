//! The replies of XINFO GROUPS and XINFO STREAM. Pure.
//!
//! A consumer queries them often for each stream, so they are read in place.

use crate::redis_io::resp::{Cursor, Reply, Token};
use crate::redis_io::streams::entry::EntryId;

/// A group in XINFO GROUPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Last delivered entry.
    pub delivered: EntryId,
    /// Number of entries that were delivered to it or that it has passed, if Redis knows.
    pub read: Option<u64>,
    /// Number of consumers.
    pub consumers: u64,
    /// Number of entries that were delivered and not acknowledged.
    pub pending: u64,
}

/// A stream in XINFO STREAM.
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

impl GroupInfo {
    /// Finds the group of that name in a reply.
    pub fn read(reply: &Reply<'_>, name: &str) -> Option<Self> {
        let Reply::Array(groups) = reply else { return None };
        let mut groups = groups.clone();
        for _ in 0..groups.len() {
            let Token::Array(length) = groups.token()? else { return None };
            let (mut is_named, mut delivered, mut read) = (false, None, None);
            let (mut consumers, mut pending) = (None, None);
            each_field(&mut groups, length, |field, value| match field {
                b"name" => is_named = value == Token::Bulk(name.as_bytes()),
                b"last-delivered-id" => delivered = id(value),
                b"entries-read" => read = count(value),
                b"consumers" => consumers = count(value),
                b"pending" => pending = count(value),
                _ => {}
            })?;
            if is_named {
                return Some(Self { delivered: delivered?, read, consumers: consumers?, pending: pending? });
            }
        }
        None
    }
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

/// Walks an array of names and values whose `length` has been read. A value that is an array is skipped, and only
/// its length is passed on.
pub(crate) fn each_field<'a>(
    cursor: &mut Cursor<'a>,
    length: usize,
    mut each: impl FnMut(&'a [u8], Token<'a>),
) -> Option<()> {
    for _ in 0..length / 2 {
        let (Token::Bulk(name), value) = (cursor.token()?, cursor.token()?) else { return None };
        if let Token::Array(length) = value {
            cursor.skip(length)?;
        }
        each(name, value);
    }
    Some(())
}

fn id(value: Token<'_>) -> Option<EntryId> {
    match value {
        Token::Bulk(bytes) => EntryId::parse(bytes),
        _ => None,
    }
}

/// Reads a number that is not negative.
pub(crate) fn count(value: Token<'_>) -> Option<u64> {
    match value {
        Token::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &[u8] = b"*2\r\n\
        *10\r\n$4\r\nname\r\n$5\r\nother\r\n$9\r\nconsumers\r\n:3\r\n$7\r\npending\r\n:5\r\n\
        $17\r\nlast-delivered-id\r\n$3\r\n1-0\r\n$12\r\nentries-read\r\n$-1\r\n\
        *10\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:0\r\n\
        $17\r\nlast-delivered-id\r\n$3\r\n4-0\r\n$12\r\nentries-read\r\n:2\r\n";
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
    fn a_group_is_found_by_its_name() {
        let group = GroupInfo { delivered: entry(4), read: Some(2), consumers: 1, pending: 0 };
        assert_eq!(GroupInfo::read(&reply(GROUPS), "g"), Some(group));
        let other = GroupInfo { delivered: entry(1), read: None, consumers: 3, pending: 5 };
        assert_eq!(GroupInfo::read(&reply(GROUPS), "other"), Some(other));
        assert_eq!(GroupInfo::read(&reply(GROUPS), "none"), None);
        assert_eq!(GroupInfo::read(&reply(b"*1\r\n:1\r\n"), "g"), None);
    }

    #[test]
    fn a_stream_is_read_as_redis_7_writes_it_and_is_nothing_before() {
        let extent = StreamInfo { added: 8, length: 3, first: Some(entry(7)), last: entry(9) };
        assert_eq!(StreamInfo::read(&reply(STREAM)), Some(extent));
        let before = b"*4\r\n$6\r\nlength\r\n:3\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n";
        assert_eq!(StreamInfo::read(&reply(before)), None);
    }
}
