//! A group of consumers: how far it has read, and what of that is not acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use crate::redis_io::streams::entry::EntryId;

use crate::embedded::key::Key;

/// Memory of a group, a consumer or a pending entry besides its name.
const OVERHEAD: usize = 128;

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Debug)]
pub struct UnacknowledgedEntry {
    /// Consumer that owns the entry.
    pub consumer: Key,
    /// Time of the last delivery, in ms.
    pub delivered_at: u64,
    /// Number of deliveries.
    pub deliveries: u64,
}

/// One of a group's consumers.
#[derive(Clone, Debug, Default)]
pub struct GroupConsumer {
    /// Time of the last command of the consumer, in ms.
    pub seen_at: u64,
    /// Its pending entries.
    pub pending: BTreeSet<EntryId>,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub struct ConsumerGroup {
    /// The last id that was delivered.
    pub last: EntryId,
    /// Number of entries read from the stream, if known.
    pub read: Option<u64>,
    /// Entries without an acknowledgement.
    pub pending: BTreeMap<EntryId, UnacknowledgedEntry>,
    /// Its consumers by their names.
    pub consumers: BTreeMap<Key, GroupConsumer>,
    /// Entries to deliver once more, drawn by chaos.
    pub again: Vec<EntryId>,
    /// Length of all consumer names together.
    named: usize,
}

impl ConsumerGroup {
    /// A group that begins behind `last`.
    pub fn new(last: EntryId, read: Option<u64>) -> Self {
        Self { last, read, ..Self::default() }
    }

    /// Notes activity of a consumer, and creates it if needed. Returns its name as the group keeps it, and true if it is
    /// new.
    pub fn meet(&mut self, name: &[u8], now: u64) -> (Key, bool) {
        if let Some((key, _)) = self.consumers.get_key_value(name) {
            let key = key.clone();
            if let Some(consumer) = self.consumers.get_mut(name) {
                consumer.seen_at = now;
            }
            return (key, false);
        }
        let key = Key::from(name);
        self.named += key.len();
        self.consumers.insert(key.clone(), GroupConsumer { seen_at: now, ..GroupConsumer::default() });
        (key, true)
    }

    /// Assigns an entry to a consumer, and takes it from the one before.
    pub fn assign(&mut self, id: EntryId, pending: UnacknowledgedEntry) {
        let consumer = pending.consumer.clone();
        if let Some(before) = self.pending.insert(id, pending)
            && before.consumer != consumer
        {
            self.forget(&before.consumer, id);
        }
        if let Some(consumer) = self.consumers.get_mut(&consumer) {
            consumer.pending.insert(id);
        }
    }

    /// Removes a pending entry. Returns true if it was pending.
    pub fn settle(&mut self, id: EntryId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.forget(&pending.consumer, id);
        true
    }

    /// Removes a consumer and what is pending for it. Returns how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> usize {
        let Some(consumer) = self.consumers.remove(name) else { return 0 };
        self.named -= name.len();
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        consumer.pending.len()
    }

    fn forget(&mut self, consumer: &[u8], id: EntryId) {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            consumer.pending.remove(&id);
        }
    }

    /// Memory of the group besides its name.
    pub fn size(&self) -> usize {
        self.named + OVERHEAD * (1 + self.consumers.len() + self.pending.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_to_another_is_pending_for_that_one_alone() {
        let id = EntryId { time: 1, sequence: 0 };
        let mut group = ConsumerGroup::default();
        for name in [b"a".as_slice(), b"b"] {
            let (consumer, is_new) = group.meet(name, 5);
            assert!(is_new);
            group.assign(id, UnacknowledgedEntry { consumer, delivered_at: 5, deliveries: 1 });
        }
        assert_eq!(group.remove_consumer(b"a"), 0);
        assert_eq!(group.pending.len(), 1);
        assert!(group.settle(id));
        assert!(!group.settle(id));
        assert!(group.consumers.values().all(|consumer| consumer.pending.is_empty()));
    }
}
