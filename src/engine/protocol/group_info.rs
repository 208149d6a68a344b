//! The groups of a stream in XINFO GROUPS. Pure.
//!
//! A consumer queries them often for each stream, so its reply is read in place.

use crate::redis_io::resp::{Reply, Token, Value};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::protocol::named_fields::{count, each_field, each_field_of, id};

/// A group in XINFO GROUPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Last delivered entry.
    pub delivered: EntryId,
    /// Number of entries that were delivered to it or that it has passed. `None` before Redis 7, `Some(None)` if
    /// there are none or if Redis does not know.
    pub read: Option<Option<u64>>,
    /// Number of consumers.
    pub consumers: u64,
    /// Number of entries that were delivered and not acknowledged.
    pub pending: u64,
    /// Number of entries that were not delivered to it. `None` before Redis 7, or if Redis does not know.
    pub lag: Option<u64>,
}

/// Fields of a row, as far as they were read.
#[derive(Default)]
struct GroupRow<'a> {
    name: &'a [u8],
    delivered: Option<EntryId>,
    read: Option<Option<u64>>,
    consumers: Option<u64>,
    pending: Option<u64>,
    lag: Option<u64>,
}

impl GroupInfo {
    /// Finds the group of that name in a reply.
    pub fn find(reply: &Reply<'_>, name: &str) -> Option<Self> {
        let Reply::Array(groups) = reply else { return None };
        let mut groups = groups.clone();
        for _ in 0..groups.len() {
            let Token::Array(length) = groups.token()? else { return None };
            let mut row = GroupRow::default();
            each_field(&mut groups, length, |field, value| row.read_field(field, value))?;
            if row.name == name.as_bytes() {
                return row.info();
            }
        }
        None
    }

    /// Reads all groups of a reply that was built up, with their names. Another reply has no groups.
    pub fn read_all(reply: &Value) -> impl Iterator<Item = (&[u8], Self)> {
        let groups = match reply {
            Value::Array(groups) => groups.as_slice(),
            _ => &[],
        };
        groups.iter().filter_map(|group| {
            let mut row = GroupRow::default();
            each_field_of(group, |field, value| row.read_field(field, value))?;
            Some((row.name, row.info()?))
        })
    }
}

impl<'a> GroupRow<'a> {
    fn read_field(&mut self, field: &[u8], value: Token<'a>) {
        match (field, value) {
            (b"name", Token::Bulk(name)) => self.name = name,
            (b"last-delivered-id", value) => self.delivered = id(value),
            (b"entries-read", value) => self.read = Some(count(value)),
            (b"consumers", value) => self.consumers = count(value),
            (b"pending", value) => self.pending = count(value),
            (b"lag", value) => self.lag = count(value),
            _ => {}
        }
    }

    /// The group, if the row has all fields that every version of Redis writes.
    fn info(&self) -> Option<GroupInfo> {
        let Self { delivered, read, consumers, pending, lag, .. } = *self;
        Some(GroupInfo { delivered: delivered?, read, consumers: consumers?, pending: pending?, lag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &[u8] = b"*2\r\n\
        *12\r\n$4\r\nname\r\n$5\r\nother\r\n$9\r\nconsumers\r\n:3\r\n$7\r\npending\r\n:5\r\n\
        $17\r\nlast-delivered-id\r\n$3\r\n1-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n$-1\r\n\
        *12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n$7\r\npending\r\n:0\r\n\
        $17\r\nlast-delivered-id\r\n$3\r\n4-0\r\n$12\r\nentries-read\r\n:2\r\n$3\r\nlag\r\n:7\r\n";
    const REDIS_5: &[u8] = b"*1\r\n*8\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:1\r\n\
        $7\r\npending\r\n:0\r\n$17\r\nlast-delivered-id\r\n$3\r\n4-0\r\n";

    fn reply(bytes: &[u8]) -> Reply<'_> {
        Reply::new(bytes).expect("complete")
    }

    fn group(time: u64) -> GroupInfo {
        let delivered = EntryId { time, sequence: 0 };
        GroupInfo { delivered, read: None, consumers: 1, pending: 0, lag: None }
    }

    fn g() -> GroupInfo {
        GroupInfo { read: Some(Some(2)), lag: Some(7), ..group(4) }
    }

    fn other() -> GroupInfo {
        GroupInfo { read: Some(None), consumers: 3, pending: 5, ..group(1) }
    }

    #[test]
    fn a_group_is_found_by_its_name() {
        assert_eq!(GroupInfo::find(&reply(GROUPS), "g"), Some(g()));
        assert_eq!(GroupInfo::find(&reply(GROUPS), "other"), Some(other()));
        assert_eq!(GroupInfo::find(&reply(GROUPS), "none"), None);
        assert_eq!(GroupInfo::find(&reply(REDIS_5), "g"), Some(group(4)));
        assert_eq!(GroupInfo::find(&reply(b"*1\r\n:1\r\n"), "g"), None);
    }

    #[test]
    fn a_built_reply_gives_the_same_groups() {
        let groups = Value::from(reply(GROUPS));
        let expected: [(&[u8], GroupInfo); 2] = [(b"other", other()), (b"g", g())];
        assert_eq!(GroupInfo::read_all(&groups).collect::<Vec<_>>(), expected);
        let old = Value::from(reply(REDIS_5));
        let expected: [(&[u8], GroupInfo); 1] = [(b"g", group(4))];
        assert_eq!(GroupInfo::read_all(&old).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_value_that_is_no_group_is_skipped() {
        let Value::Array(mut groups) = Value::from(reply(REDIS_5)) else { panic!("an array") };
        groups.insert(0, Value::Nil);
        groups.insert(0, Value::Array(vec![Value::Bulk(b"name".into()), Value::Bulk(b"incomplete".into())]));
        let reply = Value::Array(groups);
        assert_eq!(GroupInfo::read_all(&reply).map(|(name, _)| name).collect::<Vec<_>>(), [b"g"]);
        assert_eq!(GroupInfo::read_all(&Value::Nil).count(), 0);
    }
}
