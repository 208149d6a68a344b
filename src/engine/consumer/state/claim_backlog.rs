//! Streams with more candidates than free slots, and the share of claims in the free slots. Pure.
//!
//! Such a stream is searched again as soon as a slot is free. New entries and claims must both get slots meanwhile.
//! So reads and claims share the free slots half and half, and alternate at the odd slot: a claim gives the next turn
//! to entries that are read, and the start of such an entry gives it to claims.

use std::collections::VecDeque;

/// Result of the search of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchProgress {
    /// No more candidate is due, or the stream cannot be searched now.
    Through,
    /// More candidates are due than were claimed.
    More {
        /// True if an entry was claimed.
        took: bool,
    },
}

/// Streams with a backlog of entries to claim.
#[derive(Debug, Default)]
pub struct ClaimBacklog {
    /// Indices of the streams; the first is searched next.
    streams: VecDeque<usize>,
    /// True if entries that are read leave the next free slot to claims.
    pub claims_due: bool,
}

impl ClaimBacklog {
    /// Number of streams.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Returns true if no stream has a backlog.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Returns the stream of the next search.
    pub fn first(&self) -> Option<usize> {
        self.streams.front().copied()
    }

    /// Returns true if claiming waits for a free slot.
    pub fn waits(&self) -> bool {
        self.claims_due || !self.is_empty()
    }

    /// Number of the `free` slots that entries that are read leave to claims.
    pub fn share(&self, free: usize) -> usize {
        match (self.is_empty(), self.claims_due) {
            (true, is_due) => free.min(usize::from(is_due)),
            (false, true) => free.div_ceil(2),
            (false, false) => free / 2,
        }
    }

    /// Notes the start of an entry that was read.
    pub fn start_read(&mut self) {
        self.claims_due |= !self.is_empty();
    }

    /// Notes that slots were taken for claims.
    pub fn claim(&mut self) {
        self.claims_due = false;
    }

    /// Notes a search. A stream with a claim goes behind the others; one that found no free slot is next.
    pub fn search(&mut self, stream: usize, progress: SearchProgress) {
        self.streams.retain(|&other| other != stream);
        match progress {
            SearchProgress::Through => self.claims_due &= !self.is_empty(),
            SearchProgress::More { took: true } => self.streams.push_back(stream),
            SearchProgress::More { took: false } => {
                self.streams.push_front(stream);
                self.claims_due = true;
            }
        }
    }

    /// Forgets the backlog when claiming ends.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: SearchProgress = SearchProgress::More { took: true };
    const CROWDED: SearchProgress = SearchProgress::More { took: false };

    fn backlog(searches: &[(usize, SearchProgress)]) -> ClaimBacklog {
        let mut backlog = ClaimBacklog::default();
        searches.iter().for_each(|&(stream, progress)| backlog.search(stream, progress));
        backlog
    }

    #[test]
    fn without_a_backlog_reads_leave_a_slot_only_to_a_waiting_claim() {
        let mut none = ClaimBacklog::default();
        assert_eq!((none.share(5), none.waits()), (0, false));
        none.claims_due = true;
        assert_eq!((none.share(5), none.share(0), none.waits()), (1, 0, true));
    }

    #[test]
    fn reads_and_claims_share_free_slots_and_take_turns_at_the_odd_one() {
        let mut backlog = backlog(&[(0, TOOK)]);
        assert_eq!([0, 1, 2, 5].map(|free| backlog.share(free)), [0, 0, 1, 2]);
        backlog.start_read();
        assert_eq!([0, 1, 2, 5].map(|free| backlog.share(free)), [0, 1, 1, 3]);
        backlog.claim();
        assert_eq!(backlog.share(1), 0);
    }

    #[test]
    fn streams_take_turns_and_one_without_a_free_slot_keeps_its_turn() {
        let mut backlog = backlog(&[(0, TOOK), (1, TOOK)]);
        assert_eq!((backlog.first(), backlog.claims_due), (Some(0), false));
        backlog.search(0, CROWDED);
        assert_eq!((backlog.first(), backlog.claims_due), (Some(0), true));
        backlog.search(0, TOOK);
        assert_eq!((backlog.first(), backlog.len()), (Some(1), 2));
    }

    #[test]
    fn the_last_searched_stream_returns_the_slot_to_reads() {
        let mut backlog = backlog(&[(0, CROWDED), (1, CROWDED)]);
        backlog.search(1, SearchProgress::Through);
        assert!(backlog.claims_due);
        backlog.search(0, SearchProgress::Through);
        assert_eq!((backlog.share(1), backlog.waits()), (0, false));
    }
}
