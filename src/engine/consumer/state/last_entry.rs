//! Last entry of a stream that a consumer received. Pure.
//!
//! A stream that was deleted and created again can number its entries from below: the server's clock went back,
//! another server took over, or it happened within one millisecond. A reader behind the last known id would miss
//! them.

use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::{EntryId, OwnedEntry};

use crate::engine::protocol::stream_info::{StreamEnd, StreamInfo};

/// Entry with the greatest id that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastSeen {
    /// Its id.
    pub id: EntryId,
    /// Id of its job; empty if unknown. Its memory is kept from one entry to the next.
    job: Vec<u8>,
}

impl From<EntryId> for LastSeen {
    fn from(id: EntryId) -> Self {
        Self { id, job: Vec::new() }
    }
}

impl LastSeen {
    /// An entry was handed out.
    pub fn see(&mut self, id: EntryId, job: Option<&[u8]>) {
        if id < self.id {
            return;
        }
        self.id = id;
        self.job.clear();
        self.job.extend_from_slice(job.unwrap_or_default());
    }

    /// Returns true if a stream, described by XINFO STREAM, began after the entry was received from one of the same
    /// name.
    pub fn is_of_before(&self, info: &Value) -> bool {
        match StreamEnd::read(info) {
            Some(StreamEnd { id, entry }) if id == self.id => {
                entry.is_some_and(|entry| entry.id == self.id && !self.is_for(&entry))
            }
            Some(StreamEnd { id, .. }) => id < self.id,
            None => false,
        }
    }

    /// Returns true if the entry was never in a stream, described by XINFO STREAM: the stream has lost no entry, and XRANGE has
    /// not found this one. Before Redis 7 nothing says whether a stream has lost entries.
    pub fn is_foreign_to(&self, info: &Value, found: &Value) -> bool {
        let is_whole = StreamInfo::read_built(info).is_some_and(|extent| extent.added == extent.length);
        let Value::Array(found) = found else { return false };
        is_whole
            && match found.first() {
                Some(entry) => OwnedEntry::read(entry).is_some_and(|entry| !self.is_for(&entry)),
                None => true,
            }
    }

    fn is_for(&self, entry: &OwnedEntry) -> bool {
        self.job.is_empty() || entry.job.as_deref().is_none_or(|job| job.as_bytes() == self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(time: u64, job: Option<&str>) -> LastSeen {
        let mut seen = LastSeen::default();
        seen.see(EntryId { time, sequence: 0 }, job.map(str::as_bytes));
        seen
    }

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    /// Reply of XINFO STREAM with this last id, and this last entry if it is still there.
    fn info(last: &str, entry: Option<(&str, &str)>) -> Value {
        let entry = entry.map_or(Value::Nil, |(id, job)| {
            Value::Array(vec![bulk(id), Value::Array(vec![bulk("job"), bulk(job)])])
        });
        Value::Array(vec![bulk("last-generated-id"), bulk(last), bulk("last-entry"), entry])
    }

    #[test]
    fn a_stream_that_ends_before_the_last_known_entry_is_a_new_one() {
        assert!(seen(7, Some("a")).is_of_before(&info("6-5", None)));
        assert!(!seen(7, Some("a")).is_of_before(&info("7-1", Some(("7-1", "b")))));
        assert!(!seen(7, Some("a")).is_of_before(&info("8-0", None)));
    }

    #[test]
    fn the_same_id_is_the_same_entry_unless_it_is_for_another_job() {
        assert!(seen(7, Some("a")).is_of_before(&info("7-0", Some(("7-0", "b")))));
        assert!(!seen(7, Some("a")).is_of_before(&info("7-0", Some(("7-0", "a")))));
        assert!(!seen(7, Some("a")).is_of_before(&info("7-0", None)), "it was deleted");
        assert!(!seen(7, None).is_of_before(&info("7-0", Some(("7-0", "b")))));
    }

    #[test]
    fn a_stream_that_has_lost_nothing_and_lacks_the_entry_is_a_new_one() {
        let extent = |added| {
            let number = |name, number| [bulk(name), Value::Integer(number)];
            let id = |name, id| [bulk(name), bulk(id)];
            let ids = [id("recorded-first-entry-id", "1-0"), id("last-generated-id", "9-0")];
            Value::Array(
                [number("entries-added", added), number("length", 2)]
                    .into_iter()
                    .chain(ids)
                    .flatten()
                    .collect(),
            )
        };
        let found = |job| {
            let entry = vec![bulk("7-0"), Value::Array(vec![bulk("job"), bulk(job)])];
            Value::Array(vec![Value::Array(entry)])
        };
        let (seen, none) = (seen(7, Some("a")), Value::Array(Vec::new()));
        assert!(seen.is_foreign_to(&extent(2), &none));
        assert!(seen.is_foreign_to(&extent(2), &found("b")));
        assert!(!seen.is_foreign_to(&extent(2), &found("a")));
        assert!(!seen.is_foreign_to(&extent(3), &none), "it can have been removed");
        assert!(!seen.is_foreign_to(&info("9-0", None), &none), "before Redis 7");
        assert!(!seen.is_foreign_to(&extent(2), &Value::Nil));
    }

    #[test]
    fn an_unreadable_reply_is_no_new_stream() {
        for reply in [Value::Nil, Value::Array(Vec::new()), Value::Array(vec![bulk("length"), Value::Nil])] {
            assert!(!seen(7, Some("a")).is_of_before(&reply));
        }
    }

    #[test]
    fn an_entry_received_again_is_not_the_last() {
        let mut seen = seen(7, Some("a"));
        seen.see(EntryId { time: 6, sequence: 9 }, Some(b"z"));
        assert_eq!((seen.id.time, seen.job.as_slice()), (7, b"a".as_slice()));
    }
}
