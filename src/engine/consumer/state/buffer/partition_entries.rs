//! Entries of one ordered partition that wait for another entry of their key. Pure.

use std::collections::VecDeque;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::{HashMap, HashSet};

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::buffer::entry_limit::EntryLimit;

/// Parked entries of one partition.
#[derive(Debug, Default)]
pub struct PartitionEntries {
    /// Parked entries by key, in the order of their ids. No queue is empty.
    by_key: HashMap<Box<str>, VecDeque<BufferedEntry>>,
    ids: HashSet<EntryId>,
    /// Number of entries of a takeover that wait for a slot only.
    pub(super) waiting_taken: usize,
    /// Number of entries of a takeover that wait for a permit of a rate limit.
    limited_taken: usize,
    /// Number of entries that were not behind the last one of their key.
    #[cfg(test)]
    pub(super) inserted_between: usize,
}

impl PartitionEntries {
    /// Number of parked entries.
    pub fn parked(&self) -> usize {
        self.ids.len()
    }

    /// Number of entries of a takeover that wait for a slot only.
    pub fn waiting_taken(&self) -> usize {
        self.waiting_taken
    }

    /// Number of entries of a takeover that wait for a permit of a rate limit.
    pub fn limited_taken(&self) -> usize {
        self.limited_taken
    }

    /// The count of the entries of a takeover that wait for a permit of `limit`, or for a slot only.
    pub(super) fn taken_count(&mut self, limit: Option<EntryLimit>) -> &mut usize {
        if limit.is_some() { &mut self.limited_taken } else { &mut self.waiting_taken }
    }

    /// Returns true if an entry is parked.
    pub fn holds(&self, entry: EntryId) -> bool {
        self.ids.contains(&entry)
    }

    /// Keys with parked entries.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.by_key.keys().map(AsRef::as_ref)
    }

    /// First parked entry of a key.
    pub fn first_of(&self, key: &str) -> Option<EntryId> {
        self.by_key.get(key)?.front().map(|one| one.entry)
    }

    /// Parks an entry, in place of an earlier delivery of it. Returns one without a key.
    pub(super) fn park(&mut self, one: BufferedEntry) -> Option<BufferedEntry> {
        let entry = one.entry;
        let Some(key) = one.order_key() else { return Some(one) };
        if !self.ids.insert(entry) {
            // The position of the group was set back. Of two copies the second one would wait for the end of its own entry.
            let queue = self.by_key.get_mut(key);
            if let Some(parked) = queue.and_then(|queue| queue.iter_mut().find(|other| other.entry == entry))
            {
                *parked = one;
            }
            return None;
        }
        match self.by_key.get_mut(key) {
            None => drop(self.by_key.insert(key.into(), VecDeque::from([one]))),
            Some(queue) if queue.back().is_none_or(|last| last.entry < entry) => queue.push_back(one),
            Some(queue) => {
                #[cfg(test)]
                {
                    self.inserted_between += 1;
                }
                queue.insert(queue.partition_point(|other| other.entry < entry), one);
            }
        }
        None
    }

    /// Takes the first parked entry of a key.
    pub(super) fn unpark(&mut self, key: &str) -> Option<BufferedEntry> {
        let queue = self.by_key.get_mut(key)?;
        let first = queue.pop_front()?;
        if queue.is_empty() {
            self.by_key.remove(key);
        }
        self.ids.remove(&first.entry);
        Some(first)
    }

    /// Takes all parked entries, in the order of their ids.
    pub(super) fn take_all(&mut self) -> Vec<BufferedEntry> {
        self.ids.clear();
        let mut all: Vec<BufferedEntry> = std::mem::take(&mut self.by_key).into_values().flatten().collect();
        all.sort_unstable_by_key(|one| one.entry);
        all
    }

    /// Takes the parked entries that `is_left` selects, in the order of their ids.
    pub(super) fn leave(&mut self, is_left: impl Fn(&BufferedEntry) -> bool) -> VecDeque<BufferedEntry> {
        if !self.iter().any(&is_left) {
            return VecDeque::new();
        }
        let mut left = VecDeque::new();
        for one in self.take_all() {
            match is_left(&one) {
                true => left.push_back(one),
                false => drop(self.park(one)),
            }
        }
        left
    }

    /// The parked entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = &BufferedEntry> {
        self.by_key.values().flatten()
    }

    /// The parked entries, for changes of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut BufferedEntry> {
        self.by_key.values_mut().flatten()
    }
}
