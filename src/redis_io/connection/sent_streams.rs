//! Last entry that Redis has confirmed in each stream, as the lower bound of a search after a lost connection. Pure.

use tokio::time::Instant;

use crate::redis_io::resp::{Cursor, Token};
use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

/// Number of streams whose last entry is known. Beyond it all become one common bound.
const MOST_STREAMS: usize = 1_024;
/// Time by which two readings of one clock can differ, in ms. A reply takes as long.
const MOST_DEVIATION: u64 = 1_000;
/// Size of the longest entry id in bytes.
const LONGEST_ID: usize = 41;

/// Last confirmed entry of a stream, as text, since it is parsed only after a lost connection.
#[derive(Clone, Copy, Debug)]
struct LastEntry {
    text: [u8; LONGEST_ID],
    length: u8,
    /// Time by which the clock of the server was set back since then, in ms.
    set_back: u64,
}

impl LastEntry {
    const NONE: Self = Self { text: [0; LONGEST_ID], length: 0, set_back: 0 };

    fn set(&mut self, id: &[u8]) {
        if let Some(text) = self.text.get_mut(..id.len()) {
            text.copy_from_slice(id);
            (self.length, self.set_back) = (id.len() as u8, 0);
        }
    }

    fn id(&self) -> Option<EntryId> {
        EntryId::parse(&self.text[..usize::from(self.length)])
    }
}

/// Streams that jobs were sent to.
#[derive(Clone, Debug, Default)]
pub(crate) struct SentStreams {
    /// First id that entries of a stream can have to which nothing was sent before.
    floor: Option<EntryId>,
    /// Begin of the first session.
    since: Option<Instant>,
    /// Time of the server at the begin of the last session, in ms.
    clock: Option<(u64, Instant)>,
    /// First id behind all entries of streams that were forgotten.
    forgotten: Option<EntryId>,
    numbers: HashMap<Box<[u8]>, usize>,
    streams: Vec<(Box<[u8]>, LastEntry)>,
    /// Number of the stream of the last entry; most entries have the same.
    latest: usize,
    /// Numbers of the streams of entries within a transaction that was not executed yet.
    queued: Vec<usize>,
}

impl SentStreams {
    /// Notes the time of the server at the begin of a session, in ms. The first one counts, or the time since then if a clock
    /// was set back, or is behind on another server.
    pub(crate) fn begin(&mut self, time: u64, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_millis() as u64;
        let floor = EntryId { time: time.saturating_sub(passed), sequence: 0 };
        self.floor = Some(self.floor.map_or(floor, |known| known.min(floor)));
        let (before, at) = self.clock.replace((time, now)).unwrap_or((time, now));
        let expected = before.saturating_add(now.saturating_duration_since(at).as_millis() as u64);
        let behind = expected.saturating_sub(time);
        if behind > MOST_DEVIATION {
            self.set_back(behind.saturating_add(MOST_DEVIATION));
        }
    }

    /// Notes that entries of streams that were made anew can have ids that are lower by that time, in ms.
    fn set_back(&mut self, by: u64) {
        for (_, last) in &mut self.streams {
            last.set_back = last.set_back.saturating_add(by);
        }
        self.forgotten = self.forgotten.map(|id| id.earlier(by));
    }

    /// Notes the entry that Redis has added to the stream with that key.
    pub(crate) fn add(&mut self, key: &[u8], id: &[u8]) {
        let number = self.number(key);
        self.streams[number].1.set(id);
    }

    /// Notes that an entry for that stream waits for EXEC.
    pub(crate) fn queue(&mut self, key: &[u8]) {
        let number = self.number(key);
        self.queued.push(number);
    }

    /// Returns true if entries wait for EXEC.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Notes the replies of a transaction. `None` is a transaction that was not executed.
    pub(crate) fn executed(&mut self, replies: Option<&Cursor<'_>>) {
        let mut replies = replies.cloned();
        let ids = std::iter::from_fn(|| replies.as_mut()?.token()).filter_map(|token| match token {
            Token::Bulk(id) => Some(id),
            _ => None,
        });
        for (number, id) in self.queued.drain(..).zip(ids) {
            if let Some((_, last)) = self.streams.get_mut(number) {
                last.set(id);
            }
        }
    }

    /// Returns the first id that an entry without a confirmation can have. `None` if it is unknown.
    pub(crate) fn bound(&self, key: &[u8]) -> Option<EntryId> {
        let behind = self.last(key).and_then(|last| Some(last.id()?.successor()?.earlier(last.set_back)));
        behind.or(self.floor.max(self.forgotten))
    }

    /// Returns the last confirmed entry of a stream, if others behind it can have lower ids. As long as it is there, none have.
    pub(crate) fn doubtful(&self, key: &[u8]) -> Option<EntryId> {
        self.last(key).filter(|last| last.set_back > 0)?.id()
    }

    fn last(&self, key: &[u8]) -> Option<&LastEntry> {
        self.numbers.get(key).map(|&number| &self.streams[number].1)
    }

    /// Takes what another connection of the same link knows. Of each stream the latest entry counts.
    pub(crate) fn absorb(&mut self, other: &Self) {
        if self.floor.is_none() {
            (self.floor, self.since) = (other.floor, other.since);
        }
        self.forgotten = self.forgotten.max(other.forgotten);
        for (key, last) in &other.streams {
            let number = self.number(key);
            let known = &mut self.streams[number].1;
            if last.id() > known.id() {
                *known = *last;
            }
        }
    }

    fn number(&mut self, key: &[u8]) -> usize {
        if self.streams.get(self.latest).is_some_and(|(latest, _)| **latest == *key) {
            return self.latest;
        }
        let known = self.numbers.get(key).copied();
        self.latest = known.unwrap_or_else(|| self.insert(key));
        self.latest
    }

    fn insert(&mut self, key: &[u8]) -> usize {
        if self.streams.len() >= MOST_STREAMS {
            let latest = self.streams.iter().filter_map(|(_, last)| last.id()).max();
            // Entries of the same millisecond in another stream can be confirmed ones.
            let behind = latest.map(|id| EntryId { time: id.time.saturating_add(1), sequence: 0 });
            self.forgotten = self.forgotten.max(behind);
            self.numbers.clear();
            self.streams.clear();
            self.queued.clear();
        }
        let number = self.streams.len();
        self.numbers.insert(key.into(), number);
        self.streams.push((key.into(), LastEntry::NONE));
        number
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::redis_io::resp::Reply;

    fn id(time: u64, sequence: u64) -> EntryId {
        EntryId { time, sequence }
    }

    #[test]
    fn the_search_begins_behind_the_last_confirmed_entry_or_at_the_first_session() {
        let mut sent = SentStreams::default();
        assert_eq!(sent.bound(b"a"), None);
        let first = Instant::now();
        sent.begin(7_000, first);
        sent.begin(9_000, first + Duration::from_millis(2_000));
        sent.add(b"a", b"12000-3");
        assert_eq!((sent.bound(b"a"), sent.bound(b"b")), (Some(id(12_000, 4)), Some(id(7_000, 0))));
        sent.begin(4_500, first + Duration::from_millis(3_000));
        assert_eq!(sent.bound(b"b"), Some(id(1_500, 0)), "the clock was set back");
    }

    #[test]
    fn after_a_clock_was_set_back_the_search_begins_as_much_earlier() {
        let (mut sent, first) = (SentStreams::default(), Instant::now());
        let after = |ms| first + Duration::from_millis(ms);
        sent.begin(100_000, first);
        sent.add(b"a", b"101000-3");
        sent.begin(101_500, after(2_000));
        assert_eq!((sent.bound(b"a"), sent.doubtful(b"a")), (Some(id(101_000, 4)), None), "a slow reply");
        sent.begin(43_500, after(4_000));
        sent.begin(44_500, after(5_000));
        assert_eq!(
            (sent.bound(b"a"), sent.doubtful(b"a")),
            (Some(id(40_000, 0)), Some(id(101_000, 3))),
            "also in the session after that"
        );
        sent.add(b"a", b"44600-0");
        assert_eq!((sent.bound(b"a"), sent.doubtful(b"a")), (Some(id(44_600, 1)), None));
    }

    #[test]
    fn entries_of_a_transaction_count_once_it_was_executed() {
        let mut sent = SentStreams::default();
        for key in [b"a", b"b"] {
            sent.queue(key);
        }
        assert_eq!((sent.has_queued(), sent.bound(b"a")), (true, None));
        let Some(Reply::Array(replies)) = Reply::new(b"*3\r\n+OK\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n") else {
            panic!("an array")
        };
        sent.executed(Some(&replies));
        assert_eq!((sent.bound(b"a"), sent.bound(b"b")), (Some(id(1, 2)), Some(id(1, 3))));
        sent.queue(b"a");
        sent.executed(None);
        assert_eq!((sent.has_queued(), sent.bound(b"a")), (false, Some(id(1, 2))));
    }

    #[test]
    fn connections_of_one_link_share_their_latest_entries_and_the_first_bound() {
        let (mut all, mut one) = (SentStreams::default(), SentStreams::default());
        one.begin(7, Instant::now());
        one.add(b"a", b"9-1");
        all.absorb(&one);
        let mut another = SentStreams::default();
        another.begin(8, Instant::now());
        another.add(b"a", b"10-0");
        another.add(b"b", b"8-3");
        all.absorb(&another);
        all.absorb(&one);
        let bounds = [b"a", b"b", b"c"].map(|key| all.bound(key));
        assert_eq!(bounds, [Some(id(10, 1)), Some(id(8, 4)), Some(id(7, 0))]);
        another.forgotten = Some(id(11, 0));
        all.absorb(&another);
        assert_eq!((all.bound(b"a"), all.bound(b"c")), (Some(id(10, 1)), Some(id(11, 0))));
    }

    #[test]
    fn many_streams_get_a_common_bound_behind_all_confirmed_entries() {
        let mut sent = SentStreams::default();
        for number in 0..=MOST_STREAMS {
            sent.add(number.to_string().as_bytes(), format!("{number}-5").as_bytes());
        }
        assert_eq!(sent.streams.len(), 1);
        let most = MOST_STREAMS as u64;
        assert_eq!(
            (sent.bound(b"0"), sent.bound(most.to_string().as_bytes())),
            (Some(id(most, 0)), Some(id(most, 6)))
        );
    }
}
