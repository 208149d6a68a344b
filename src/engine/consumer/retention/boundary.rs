//! Boundary of a stream: the first id that some group has not acknowledged. Pure.
//!
//! An entry is removed only if it was below the boundary a while ago and is so now. In between a failed move to the dead
//! letters can make an entry pending again, a group can have been created at the beginning, and a producer can ask for the
//! outcome of a job whose completion it missed.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;

/// First id that a group has not acknowledged, by its last delivered entry and its first pending one. The position must
/// be older than the pending entry: entries that were delivered in between are behind it.
pub(crate) fn unacknowledged(delivered: EntryId, pending: Option<EntryId>) -> EntryId {
    let next = delivered.successor().unwrap_or(delivered);
    pending.map_or(next, |first| first.min(next))
}

/// Boundaries of a stream, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct BoundaryHistory {
    known: VecDeque<(Instant, EntryId)>,
}

impl BoundaryHistory {
    /// Notes the boundary of now. Returns the first id that must stay: everything below was acknowledged for `keep`.
    pub(crate) fn advance(&mut self, now: Instant, boundary: EntryId, keep: Duration) -> Option<EntryId> {
        self.known.push_back((now, boundary));
        let is_old = |noted: Instant| now.saturating_duration_since(noted) >= keep;
        while self.known.get(1).is_some_and(|&(noted, _)| is_old(noted)) {
            self.known.pop_front();
        }
        let &(noted, old) = self.known.front()?;
        // A later boundary can be lower.
        let lowest = self.known.iter().map(|&(_, boundary)| boundary).min()?;
        is_old(noted).then_some(old.min(lowest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(5);

    fn id(time: u64) -> EntryId {
        EntryId { time, sequence: 0 }
    }

    #[test]
    fn the_first_pending_entry_bounds_and_else_the_next_to_be_delivered() {
        assert_eq!(unacknowledged(id(7), None), EntryId { time: 7, sequence: 1 });
        assert_eq!(unacknowledged(id(7), Some(id(4))), id(4));
        assert_eq!(unacknowledged(id(7), Some(id(9))), EntryId { time: 7, sequence: 1 });
    }

    #[test]
    fn a_boundary_counts_once_it_has_lasted() {
        let (mut history, began) = (BoundaryHistory::default(), Instant::now());
        let mut at =
            |seconds, boundary| history.advance(began + Duration::from_secs(seconds), id(boundary), KEEP);
        assert_eq!([at(0, 1), at(2, 5), at(4, 8)], [None, None, None]);
        assert_eq!(at(5, 9), Some(id(1)));
        assert_eq!(at(7, 9), Some(id(5)));
        assert_eq!(at(60, 9), Some(id(9)));
    }

    #[test]
    fn a_boundary_that_was_lower_in_between_counts() {
        let (mut history, began) = (BoundaryHistory::default(), Instant::now());
        let mut at =
            |seconds, boundary| history.advance(began + Duration::from_secs(seconds), id(boundary), KEEP);
        assert_eq!([at(0, 8), at(3, 2)], [None, None]);
        assert_eq!(at(6, 8), Some(id(2)), "an entry was made pending again");
        assert_eq!(at(9, 8), Some(id(2)));
        assert_eq!(at(11, 8), Some(id(8)));
    }
}
