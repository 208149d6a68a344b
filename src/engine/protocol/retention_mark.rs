//! Mark of the entries that retention has removed from a stream, in a key of its own. Pure.
//!
//! An entry that is gone can have been read by nobody: `capped`, XTRIM and XDEL remove such entries too. So the mark has
//! the range of ids from which nothing but retention has removed entries. Redis 7.0 and later count the entries ever
//! added, and so those removed. A number that retention has not removed itself begins the range anew, behind the last
//! entry.

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::keys::Keys;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;

use crate::engine::protocol::stream_info::StreamInfo;

/// Expiry of a mark, in ms. Every cycle of the stream renews it.
const MARK_TTL: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Range of ids whose missing entries were acknowledged by every group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionMark {
    /// First id of the range.
    pub from: EntryId,
    /// First id behind the range.
    pub to: EntryId,
    /// Number of entries that were removed from the stream so far; before the removal, while retention removes some. A removal
    /// that was cut off and has removed nothing leaves it as it was.
    pub removed: u64,
}

impl RetentionMark {
    /// Returns true if an entry of that id that is not in the stream was removed by retention.
    pub fn covers(&self, entry: EntryId) -> bool {
        self.from <= entry && entry < self.to
    }

    /// The mark before entries below `to` are removed from a stream.
    pub fn advance(known: Option<Self>, stream: &StreamInfo, to: EntryId) -> Self {
        let removed = stream.added.saturating_sub(stream.length);
        let from = match known {
            Some(known) if known.removed == removed => known.from,
            None if removed == 0 => EntryId::default(),
            _ => stream.last.successor().unwrap_or(stream.last),
        };
        // Without a removal the end of the known range can be one of an earlier stream of the same name.
        let to = known.filter(|_| removed > 0).map_or(to, |known| known.to.max(to)).max(from);
        Self { from, to, removed }
    }

    /// The mark after the removal, with the number of all entries that were removed from the stream. Without any, a
    /// new stream of the same name would look like this one, so the range is empty.
    pub fn complete(self, removed: u64) -> Self {
        let to = if removed == 0 { self.from } else { self.to };
        Self { to, removed, ..self }
    }

    /// Reads the reply of GET.
    pub fn read(reply: &Value) -> Option<Self> {
        let mut parts = reply.bytes()?.split(|&byte| byte == b' ');
        let (from, to) = (EntryId::parse(parts.next()?)?, EntryId::parse(parts.next()?)?);
        let removed = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        Some(Self { from, to, removed })
    }

    /// Packs `SET mark value PX time`.
    pub fn pack(&self, commands: &mut Commands, keys: &Keys, stream: &str, to: Destination) {
        let Self { from, to: end, removed } = self;
        let value = format!("{from} {end} {removed}");
        commands.begin("SET", 5).key_parts(&keys.retention_mark(stream)).arg(value.as_bytes());
        commands.arg(b"PX").arg_number(MARK_TTL).end(to);
    }

    /// Packs `GET mark`.
    pub fn pack_read(commands: &mut Commands, keys: &Keys, stream: &str, to: Destination) {
        commands.begin("GET", 2).key_parts(&keys.retention_mark(stream)).end(to);
    }

    /// Packs `PEXPIRE mark time`.
    pub fn pack_renewal(commands: &mut Commands, keys: &Keys, stream: &str, to: Destination) {
        commands.begin("PEXPIRE", 3).key_parts(&keys.retention_mark(stream)).arg_number(MARK_TTL).end(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(time: u64) -> EntryId {
        EntryId { time, sequence: 0 }
    }

    fn stream(added: u64, length: u64, last: u64) -> StreamInfo {
        StreamInfo { added, length, first: None, last: id(last) }
    }

    fn mark(from: u64, to: u64, removed: u64) -> RetentionMark {
        RetentionMark { from: id(from), to: id(to), removed }
    }

    #[test]
    fn a_mark_covers_what_retention_alone_has_removed() {
        let first = RetentionMark::advance(None, &stream(5, 5, 5), id(3));
        assert_eq!(first, mark(0, 3, 0));
        let second = RetentionMark::advance(Some(first.complete(2)), &stream(9, 7, 9), id(6));
        assert_eq!(second, mark(0, 6, 2));
        assert!(second.covers(id(5)) && !second.covers(id(6)));
    }

    #[test]
    fn a_mark_begins_anew_behind_the_last_entry_after_another_removal() {
        let anew = RetentionMark::advance(Some(mark(0, 6, 2)), &stream(9, 6, 9), id(7));
        let behind = EntryId { time: 9, sequence: 1 };
        assert_eq!((anew.from, anew.to), (behind, behind));
        assert!(!anew.covers(id(5)) && !anew.covers(id(9)));
        for known in [None, Some(mark(0, 6, 1))] {
            let unknown = RetentionMark::advance(known, &stream(9, 6, 9), id(7));
            assert_eq!(unknown, anew, "nothing says what has removed them");
        }
    }

    #[test]
    fn a_mark_goes_on_after_a_removal_that_was_cut_off_before_it_removed_anything() {
        let begun = RetentionMark::advance(Some(mark(0, 3, 2)), &stream(9, 7, 9), id(6));
        assert_eq!(RetentionMark::advance(Some(begun), &stream(12, 10, 12), id(8)), mark(0, 8, 2));
        let cut_behind = RetentionMark::advance(Some(begun), &stream(12, 9, 12), id(8));
        assert!(!cut_behind.covers(id(5)), "nothing says what has removed them");
    }

    #[test]
    fn a_new_stream_of_the_same_name_does_not_continue_a_mark() {
        let known = RetentionMark::advance(None, &stream(5, 5, 5), id(3)).complete(0);
        assert!(!known.covers(id(1)));
        let later = RetentionMark::advance(Some(mark(0, 6, 2)), &stream(3, 3, 20), id(19));
        assert!(!later.covers(id(7)), "the old stream was deleted with it");
        let cut_off = RetentionMark::advance(None, &stream(5, 5, 50), id(30));
        assert_eq!(RetentionMark::advance(Some(cut_off), &stream(3, 3, 20), id(19)), mark(0, 19, 0));
    }

    #[test]
    fn a_mark_never_goes_back() {
        let known = mark(0, 6, 2);
        assert_eq!(RetentionMark::advance(Some(known), &stream(9, 7, 9), id(4)), known);
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let read = |text: &str| RetentionMark::read(&Value::Bulk(text.as_bytes().to_vec()));
        let [from, to] = [EntryId { time: 1, sequence: 2 }, EntryId { time: 3, sequence: 4 }];
        assert_eq!(read("1-2 3-4 567"), Some(RetentionMark { from, to, removed: 567 }));
        for other in ["", "1-2 3-4", "1-2 x 5", "1-2 3-4 -5", "1-2 3-4 ?"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(RetentionMark::read(&Value::Nil), None);
    }
}
