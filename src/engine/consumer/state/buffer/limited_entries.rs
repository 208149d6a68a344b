//! Entries that wait for permits of rate limits, in queues by budget. Pure.
//!
//! A limit of the whole stream has one budget, without a key. A survey looks at the keys only that can have changed, in turn,
//! so that a key with many entries delays no other one.

use std::collections::VecDeque;

use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;
use crate::engine::consumer::state::buffer::start_queues::StartQueues;

/// Rate limit of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryLimit {
    /// Index of the limit.
    pub index: usize,
    /// True if each key has a budget of its own.
    pub by_key: bool,
}

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
        }
        left
    }
}

impl LimitEntries {
    fn push(&mut self, one: BufferedEntry) {
        let key = one.budget_key();
        self.len += 1;
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
