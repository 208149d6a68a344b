//! Entries that start in turn: those of reads and those of takeovers. Pure.

use std::collections::VecDeque;

use crate::engine::consumer::state::buffer::buffered_entry::BufferedEntry;

/// A queue for entries of reads, and one for entries of takeovers.
#[derive(Debug, Default)]
pub struct StartQueues {
    /// Entries of reads, in order.
    read: VecDeque<BufferedEntry>,
    /// Entries of takeovers, in order.
    taken: VecDeque<BufferedEntry>,
    /// True if the last start was of a takeover.
    was_taken: bool,
}

impl StartQueues {
    /// Number of all entries.
    pub fn len(&self) -> usize {
        self.read.len() + self.taken.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries of reads.
    pub fn of_reads(&self) -> &VecDeque<BufferedEntry> {
        &self.read
    }

    /// Returns true if there is an entry of a takeover.
    pub fn has_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Adds an entry behind the others.
    pub fn push(&mut self, one: BufferedEntry) {
        let queue = if one.is_uncounted { &mut self.taken } else { &mut self.read };
        queue.push_back(one);
    }

    /// Takes the first entry that can start, of a read and of a takeover in turn.
    pub fn take(&mut self, can_start: impl Fn(&BufferedEntry) -> bool) -> Option<BufferedEntry> {
        for is_taken in [!self.was_taken, self.was_taken] {
            let queue = if is_taken { &mut self.taken } else { &mut self.read };
            let Some(at) = queue.iter().position(&can_start) else { continue };
            self.was_taken = is_taken;
            return queue.remove(at);
        }
        None
    }

    /// Takes an entry, those of reads first.
    pub fn pop(&mut self) -> Option<BufferedEntry> {
        self.read.pop_front().or_else(|| self.taken.pop_front())
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = &BufferedEntry> {
        self.read.iter().chain(&self.taken)
    }

    /// All entries, for changes of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut BufferedEntry> {
        self.read.iter_mut().chain(&mut self.taken)
    }

    /// Takes the entries out that `is_left` selects.
    pub fn leave(&mut self, is_left: impl Fn(&BufferedEntry) -> bool) -> VecDeque<BufferedEntry> {
        let mut left = VecDeque::new();
        for queue in [&mut self.read, &mut self.taken] {
            let (mut gone, kept) = std::mem::take(queue).into_iter().partition(&is_left);
            *queue = kept;
            left.append(&mut gone);
        }
        left
    }
}
