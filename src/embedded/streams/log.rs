//! The entries of a stream, in the order of their ids.

use std::collections::VecDeque;

use crate::redis_io::streams::entry::EntryId;

use crate::embedded::protocol::command_error::CommandError;
use crate::embedded::streams::group::ConsumerGroup;
use crate::embedded::streams::node::{EntryNode, StoredEntry};
use crate::embedded::streams::stream_id::{LEAST, Wanted};

const NOT_ABOVE_LEAST: CommandError =
    CommandError::new("ERR The ID specified in XADD must be greater than 0-0");
const NOT_ABOVE_LAST: CommandError =
    CommandError::new("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const EXHAUSTED: CommandError =
    CommandError::new("ERR The stream has exhausted the last possible ID, unable to add more items");

/// Entries that a trim leaves.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At most this number of entries.
    Length(u64),
    /// Nothing before this id.
    Id(EntryId),
}

/// Options of a trim.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    /// Entries that are left.
    pub bound: Bound,
    /// Removes whole nodes only.
    pub approximate: bool,
    /// The most entries that are removed; 0 for no limit.
    pub limit: u64,
}

/// Entries.
#[derive(Clone, Debug, Default)]
pub struct Log {
    nodes: VecDeque<EntryNode>,
    /// Number of entries.
    pub length: usize,
    /// The greatest id there ever was.
    pub last: EntryId,
    /// The greatest id that was deleted.
    pub max_deleted: EntryId,
    /// Number of entries ever added.
    pub added: u64,
    /// Memory of the entries, in bytes.
    pub size: usize,
}

impl Log {
    /// The id that XADD gives.
    pub fn next_id(&self, wanted: Wanted, now: u64) -> Result<EntryId, CommandError> {
        if wanted == Wanted::Exactly(LEAST) {
            return Err(NOT_ABOVE_LEAST);
        }
        let successor = self.last.successor().ok_or(EXHAUSTED)?;
        match wanted {
            Wanted::Clock if now > self.last.time => Ok(EntryId { time: now, sequence: 0 }),
            Wanted::Clock => Ok(successor),
            Wanted::Next(time) if time == self.last.time && successor.time == time => Ok(successor),
            Wanted::Next(time) if time > self.last.time => Ok(EntryId { time, sequence: 0 }),
            Wanted::Exactly(id) if id > self.last => Ok(id),
            Wanted::Next(_) | Wanted::Exactly(_) => Err(NOT_ABOVE_LAST),
        }
    }

    /// Appends an entry of these names and values, by turns. Its id is greater than all others.
    pub fn append(&mut self, id: EntryId, fields: &[&[u8]]) {
        if self.nodes.back().is_none_or(|node| node.is_full(fields)) {
            let node = EntryNode::new(id, fields);
            self.size += node.size();
            self.nodes.push_back(node);
        }
        let Some(node) = self.nodes.back_mut() else { return };
        node.push(id, fields);
        self.size += node.entries.last().map_or(0, StoredEntry::size);
        self.length += 1;
        self.added += 1;
        self.last = id;
    }

    /// The entry of that id.
    pub fn get(&self, id: EntryId) -> Option<&StoredEntry> {
        self.range(id, id).next()
    }

    /// The id of the first entry; the least id if there is none.
    pub fn first_id(&self) -> EntryId {
        self.nodes.front().and_then(EntryNode::edges).map_or(LEAST, |(first, _)| first)
    }

    /// The id of the last entry that is there; the least id if there is none.
    pub fn last_valid_id(&self) -> EntryId {
        self.nodes.back().and_then(EntryNode::edges).map_or(LEAST, |(_, last)| last)
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The entries between two ids, both included.
    pub fn range(&self, from: EntryId, to: EntryId) -> impl DoubleEndedIterator<Item = &StoredEntry> {
        let start = self.nodes.partition_point(|node| node.edges().is_some_and(|(_, last)| last < from));
        let end = self.nodes.partition_point(|node| node.edges().is_some_and(|(first, _)| first <= to));
        self.nodes.range(start..end.max(start)).flat_map(move |node| node.between(from, to))
    }

    /// Deletes an entry.
    pub fn delete(&mut self, id: EntryId) -> bool {
        let at = self.nodes.partition_point(|node| node.edges().is_some_and(|(_, last)| last < id));
        let Some(node) = self.nodes.get_mut(at) else { return false };
        let Some(entry) = node.remove(id) else { return false };
        if node.entries.is_empty() {
            self.size -= node.size();
            self.nodes.remove(at);
        }
        self.length -= 1;
        self.size -= entry.size();
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    /// Removes entries from the beginning. Returns how many.
    pub fn trim(&mut self, trim: Trim) -> usize {
        let mut removed = 0;
        while let Some(node) = self.nodes.front() {
            let entries = node.entries.len();
            if matches!(trim.bound, Bound::Length(most) if self.length as u64 <= most) {
                break;
            }
            if trim.limit > 0 && (removed + entries) as u64 > trim.limit {
                break;
            }
            let surplus = self.surplus(node, trim.bound);
            if surplus == entries {
                self.size -= node.size() + node.entries.iter().map(StoredEntry::size).sum::<usize>();
                self.nodes.pop_front();
            } else if trim.approximate {
                break;
            } else if let Some(node) = self.nodes.front_mut() {
                self.size -= node.shorten(surplus).map(|entry| entry.size()).sum::<usize>();
            }
            self.length -= surplus;
            removed += surplus;
            if surplus < entries {
                break;
            }
        }
        removed
    }

    /// Number of entries that must leave the first node.
    fn surplus(&self, node: &EntryNode, bound: Bound) -> usize {
        match bound {
            Bound::Length(most) => node.entries.len().min(self.length.saturating_sub(most as usize)),
            Bound::Id(least) => node.entries.partition_point(|entry| entry.id < least),
        }
    }

    /// Returns true if an entry at or behind `from` is known to be deleted among those that are left.
    pub fn has_gaps(&self, from: EntryId) -> bool {
        let is_among_them = self.max_deleted != LEAST && self.first_id() <= self.max_deleted;
        self.length > 0 && is_among_them && from <= self.max_deleted
    }

    /// Number of entries ever added up to `id`, if known.
    pub fn rank(&self, id: EntryId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last {
            return Some(self.added);
        }
        if id >= self.last {
            return (id == self.last).then_some(self.added);
        }
        let first = self.first_id();
        if self.max_deleted != LEAST && self.max_deleted >= first {
            return None;
        }
        let before = self.added.saturating_sub(self.length as u64);
        match id.cmp(&first) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before + 1),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Number of entries that a group has not read, if known. Negative if the group was set to have read more.
    pub fn lag(&self, group: &ConsumerGroup) -> Option<i128> {
        let read = match group.read {
            _ if self.added == 0 => Some(0),
            Some(read) if !self.has_gaps(group.last) => Some(read),
            _ => self.rank(group.last),
        };
        read.map(|read| i128::from(self.added) - i128::from(read))
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream_id::GREATEST;
    use super::*;

    fn log(entries: u64) -> Log {
        let mut log = Log::default();
        for time in 1..=entries {
            log.append(EntryId { time, sequence: 0 }, &[b"job", b"x"]);
        }
        log
    }

    fn trim(bound: Bound, approximate: bool) -> Trim {
        Trim { bound, approximate, limit: 0 }
    }

    #[test]
    fn an_approximate_trim_leaves_the_node_that_the_bound_is_in() {
        let mut exact = log(250);
        assert_eq!(exact.trim(trim(Bound::Length(120), false)), 130);
        assert_eq!(exact.length, 120);
        let mut approximate = log(250);
        assert_eq!(approximate.trim(trim(Bound::Length(120), true)), 100);
        assert_eq!(approximate.first_id().time, 101);
        assert_eq!(approximate.trim(trim(Bound::Id(EntryId { time: 201, sequence: 0 }), true)), 100);
    }

    #[test]
    fn what_was_deleted_is_in_no_range() {
        let mut log = log(300);
        for time in [1, 100, 101, 250] {
            assert!(log.delete(EntryId { time, sequence: 0 }));
            assert!(!log.delete(EntryId { time, sequence: 0 }));
        }
        assert_eq!(log.range(LEAST, GREATEST).count(), 296);
        assert_eq!(log.range(LEAST, GREATEST).next_back().map(|entry| entry.id.time), Some(300));
        assert_eq!(log.first_id().time, 2);
        assert_eq!(log.max_deleted.time, 250);
        for time in 1..=300 {
            log.delete(EntryId { time, sequence: 0 });
        }
        assert_eq!((log.length, log.node_count(), log.size), (0, 0, 0));
    }

    #[test]
    fn ids_only_grow() {
        let log = log(5);
        assert_eq!(log.next_id(Wanted::Clock, 3), Ok(EntryId { time: 5, sequence: 1 }));
        assert_eq!(log.next_id(Wanted::Clock, 9), Ok(EntryId { time: 9, sequence: 0 }));
        assert_eq!(log.next_id(Wanted::Next(5), 9), Ok(EntryId { time: 5, sequence: 1 }));
        assert_eq!(log.next_id(Wanted::Next(4), 9), Err(NOT_ABOVE_LAST));
        assert_eq!(log.next_id(Wanted::Exactly(EntryId { time: 5, sequence: 0 }), 9), Err(NOT_ABOVE_LAST));
    }
}
