//! Entries that wait for permits of rate limits, in queues by budget. Pure.
//!
//! A limit of the whole stream has one budget, without a key. A survey looks at the keys only that can have changed, in turn,
//! so that a key with many entries delays no other one.

use std::collections::VecDeque;

use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::buffer::start_queues::StartQueues;

/// Entries of one key.
#[derive(Debug, Default)]
struct KeyEntries {
    queues: StartQueues,
    /// True while the key is in the list of those to look at.
    is_listed: bool,
}

/// Entries of one limit.
#[derive(Debug, Default)]
struct LimitEntries {
    /// Entries by key. A key without entries is in the list.
    by_key: HashMap<Box<str>, KeyEntries>,
    /// Keys to look at, each once.
    listed: VecDeque<Box<str>>,
    /// Number of the entries.
    len: usize,
    /// Number of those of takeovers.
    taken: usize,
}

/// Entries of all limits.
#[derive(Debug, Default)]
pub struct LimitedEntries {
    limits: Vec<LimitEntries>,
}

impl LimitedEntries {
    /// Number of all entries.
    pub fn len(&self) -> usize {
        self.limits.iter().map(|of| of.len).sum()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of the entries of a limit.
    pub fn held(&self, limit: usize) -> usize {
        self.limits.get(limit).map_or(0, |of| of.len)
    }

    /// Number of those of takeovers.
    pub fn taken(&self, limit: usize) -> usize {
        self.limits.get(limit).map_or(0, |of| of.taken)
    }

    /// Number of keys of a limit to look at.
    pub fn listed(&self, limit: usize) -> usize {
        self.limits.get(limit).map_or(0, |of| of.listed.len())
    }

    /// Entries of a budget.
    pub fn of(&self, limit: usize, key: &str) -> impl Iterator<Item = &BufferedEntry> {
        let of = self.limits.get(limit).and_then(|of| of.by_key.get(key));
        of.into_iter().flat_map(|of| of.queues.iter())
    }

    /// Takes the next key to look at out of the list.
    pub fn next_listed(&mut self, limit: usize) -> Option<Box<str>> {
        let of = self.limits.get_mut(limit)?;
        let key = of.listed.pop_front()?;
        if let Some(entries) = of.by_key.get_mut(&*key) {
            entries.is_listed = false;
            of.forget_empty(&key);
        }
        Some(key)
    }

    /// Lets the next survey look at a key. Returns false if it has no entries.
    pub fn list(&mut self, limit: usize, key: &str) -> bool {
        self.limits.get_mut(limit).is_some_and(|of| of.list(key))
    }

    /// Adds an entry behind the others of its budget.
    pub(super) fn push(&mut self, limit: usize, one: BufferedEntry) {
        if self.limits.len() <= limit {
            self.limits.resize_with(limit + 1, LimitEntries::default);
        }
        self.limits[limit].push(one);
    }

    /// Takes the first entry of a budget that can start.
    pub(super) fn take(
        &mut self,
        limit: usize,
        key: &str,
        can_start: impl Fn(&BufferedEntry) -> bool,
    ) -> Option<BufferedEntry> {
        let of = self.limits.get_mut(limit)?;
        let one = of.by_key.get_mut(key)?.queues.take(can_start)?;
        of.len -= 1;
        of.taken -= usize::from(one.is_uncounted);
        of.forget_empty(key);
        Some(one)
    }

    /// All entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = &BufferedEntry> {
        self.limits.iter().flat_map(|of| of.by_key.values()).flat_map(|of| of.queues.iter())
    }

    /// All entries, for changes of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut BufferedEntry> {
        self.limits.iter_mut().flat_map(|of| of.by_key.values_mut()).flat_map(|of| of.queues.iter_mut())
    }

    /// Takes the entries out that `is_left` selects.
    pub(super) fn leave(&mut self, is_left: impl Fn(&BufferedEntry) -> bool) -> VecDeque<BufferedEntry> {
        let mut left = VecDeque::new();
        for of in &mut self.limits {
            let before = left.len();
            of.by_key.values_mut().for_each(|of| left.append(&mut of.queues.leave(&is_left)));
            of.by_key.retain(|_, of| of.is_listed || !of.queues.is_empty());
            of.len -= left.len() - before;
            of.taken -= left.iter().skip(before).filter(|one| one.is_uncounted).count();
        }
        left
    }
}

impl LimitEntries {
    fn push(&mut self, one: BufferedEntry) {
        let key = one.budget_key();
        self.len += 1;
        self.taken += usize::from(one.is_uncounted);
        if let Some(entries) = self.by_key.get_mut(key) {
            return entries.queues.push(one);
        }
        let key: Box<str> = key.into();
        self.by_key.entry(key.clone()).or_default().queues.push(one);
        self.list(&key);
    }

    fn list(&mut self, key: &str) -> bool {
        let Some(entries) = self.by_key.get_mut(key) else { return false };
        if !std::mem::replace(&mut entries.is_listed, true) {
            self.listed.push_back(key.into());
        }
        true
    }

    fn forget_empty(&mut self, key: &str) {
        if self.by_key.get(key).is_some_and(|of| !of.is_listed && of.queues.is_empty()) {
            self.by_key.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::engine::consumer::state::buffer::EntryBuffer;
    use crate::engine::consumer::state::buffer::entry_limit::EntryLimit;
    use crate::engine::consumer::state::in_flight::Delivery;
    use crate::redis_io::streams::carried_payload::CarriedPayload;
    use crate::redis_io::streams::entry::EntryId;

    const BY_KEY: Option<EntryLimit> = Some(EntryLimit { index: 1, by_key: true });
    const OF_ALL: Option<EntryLimit> = Some(EntryLimit { index: 0, by_key: false });

    fn entry(stream: u32, time: u64, key: &str, limit: Option<EntryLimit>) -> BufferedEntry {
        let carried = Arc::new(CarriedPayload { order_key: Some(key.into()), ..CarriedPayload::default() });
        let id = EntryId { time, sequence: 0 };
        let delivery = Delivery { carried: Some(&carried), ..Delivery::bare(stream, id, Instant::now()) };
        BufferedEntry { limit, ..BufferedEntry::new(delivery) }
    }

    fn taken(stream: u32, time: u64, limit: Option<EntryLimit>) -> BufferedEntry {
        BufferedEntry { is_uncounted: true, ..entry(stream, time, "a", limit) }
    }

    fn time(one: Option<BufferedEntry>) -> Option<u64> {
        one.map(|one| one.entry.time)
    }

    #[test]
    fn entries_of_a_takeover_get_permits_in_turn_with_those_of_reads() {
        let mut buffer = EntryBuffer::default();
        (0..3).for_each(|time| buffer.push(taken(0, time, OF_ALL)));
        (10..12).for_each(|time| buffer.push(entry(1, time, "b", OF_ALL)));
        let counts =
            |buffer: &EntryBuffer| buffer.partition(0).map(|of| (of.limited_taken(), of.waiting_taken()));
        assert_eq!((counts(&buffer), buffer.waiting(), buffer.len()), (Some((3, 0)), 0, 5));
        assert!(buffer.take(|_| true).is_none(), "a slot alone is not enough");
        let order: Vec<u64> = std::iter::from_fn(|| time(buffer.take_limited(0, "", |_| true))).collect();
        assert_eq!(order, [0, 10, 1, 11, 2]);
        assert_eq!(
            (counts(&buffer), buffer.limited().held(0), buffer.limited().taken(0)),
            (Some((0, 0)), 0, 0)
        );
    }

    #[test]
    fn each_key_is_listed_once_until_it_has_been_looked_at() {
        let mut buffer = EntryBuffer::default();
        for (time, key) in (0..).zip(["a", "b", "a"]) {
            buffer.push(entry(0, time, key, BY_KEY));
        }
        let next = |buffer: &mut EntryBuffer| buffer.limited_mut().next_listed(1).map(String::from);
        assert_eq!((buffer.limited().listed(1), next(&mut buffer)), (2, Some("a".to_owned())));
        buffer.push(entry(0, 3, "a", BY_KEY));
        assert_eq!((next(&mut buffer), next(&mut buffer)), (Some("b".to_owned()), None));
        assert!(buffer.limited_mut().list(1, "a") && buffer.limited_mut().list(1, "a"));
        assert_eq!((next(&mut buffer), next(&mut buffer)), (Some("a".to_owned()), None));
        assert!(!buffer.limited_mut().list(1, "c"), "without entries");
        assert_eq!((buffer.limited().of(1, "a").count(), buffer.limited().held(1)), (3, 4));
    }

    #[test]
    fn entries_that_leave_are_counted_out_and_the_others_get_another_limit() {
        let mut buffer = EntryBuffer::default();
        (0..4).for_each(|time| buffer.push(taken(0, time, BY_KEY)));
        buffer.push(entry(1, 9, "a", BY_KEY));
        buffer.park(entry(0, 8, "a", BY_KEY));
        assert_eq!(buffer.leave(|one| one.entry.time % 2 == 1).len(), 3);
        assert_eq!((buffer.limited().len(), buffer.limited().taken(1), buffer.len()), (2, 2, 3));
        buffer.change_limit(0, None);
        assert_eq!((buffer.limited().held(1), buffer.waiting(), buffer.parked_of(0)), (0, 2, 1));
        assert_eq!(buffer.partition(0).map(|of| (of.limited_taken(), of.waiting_taken())), Some((0, 2)));
        buffer.change_limit(0, OF_ALL);
        assert_eq!((buffer.limited().held(0), buffer.waiting()), (2, 0));
        assert!(buffer.unpark(0, "a").is_some());
        assert_eq!((buffer.limited().held(0), buffer.parked_of(0)), (3, 0), "it waits for a permit now");
    }
}
