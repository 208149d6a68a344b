//! Entries of a partition that wait for their dead letter, and do not run before. Pure.

use std::collections::BTreeSet;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::map::HashMap;

/// Entries at the retry limit that a takeover has found. Later entries of their keys wait for their end.
#[derive(Debug, Default)]
pub struct EndingEntries {
    keys: HashMap<EntryId, Box<str>>,
    /// No set is empty.
    by_key: HashMap<Box<str>, BTreeSet<EntryId>>,
}

impl EndingEntries {
    /// Adds an entry of a key.
    pub fn insert(&mut self, entry: EntryId, key: &str) {
        self.keys.insert(entry, key.into());
        self.by_key.entry(key.into()).or_default().insert(entry);
    }

    /// Removes an entry that has ended, or runs after all.
    pub fn remove(&mut self, entry: EntryId) {
        let Some(key) = self.keys.remove(&entry) else { return };
        let Some(of_key) = self.by_key.get_mut(&key) else { return };
        of_key.remove(&entry);
        if of_key.is_empty() {
            self.by_key.remove(&key);
        }
    }

    /// First entry of a key.
    pub fn first_of(&self, key: &str) -> Option<EntryId> {
        self.by_key.get(key)?.first().copied()
    }
}
