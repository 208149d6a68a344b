//! Decision about one page of pending entries. Pure.

use std::time::Duration;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::protocol::pending_entries::PendingEntry;

/// Limits that decide between claiming an entry and dead-lettering it.
#[derive(Clone, Copy, Debug)]
pub struct ClaimLimits {
    /// Idle time from which on an entry can be claimed.
    pub deadline: Duration,
    /// Number of deliveries from which on an entry is not delivered again.
    pub deliveries: u64,
}

/// Entries of a page, sorted by their treatment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClaimPlan {
    /// Entries to claim, never more than free slots.
    pub claim: Vec<PendingEntry>,
    /// Entries at the retry limit.
    pub exhausted: Vec<PendingEntry>,
    /// First entry of the next page; `None` at the end.
    pub next: Option<EntryId>,
    /// True if the page had more candidates than slots.
    pub crowded: bool,
}

/// Decides about a page, in order. `is_ours` returns true for an entry in flight in this consumer, and for a delayed
/// retry of it, which are left alone.
pub fn plan(
    page: Vec<PendingEntry>,
    page_size: usize,
    limits: ClaimLimits,
    room: usize,
    is_ours: impl Fn(&PendingEntry) -> bool,
) -> ClaimPlan {
    let mut plan = ClaimPlan::default();
    let is_full = page.len() >= page_size;
    let mut last = None;
    for entry in page {
        let id = entry.id;
        if entry.idle < limits.deadline || is_ours(&entry) {
            // Its consumer is alive.
        } else if entry.deliveries >= limits.deliveries {
            plan.exhausted.push(entry);
        } else if plan.claim.len() < room {
            plan.claim.push(entry);
        } else {
            plan.crowded = true;
            plan.next = Some(id);
            return plan;
        }
        last = Some(id);
    }
    plan.next = last.filter(|_| is_full).and_then(EntryId::successor);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClaimLimits = ClaimLimits { deadline: Duration::from_millis(100), deliveries: 3 };

    fn id(time: u64) -> EntryId {
        EntryId { time, sequence: 0 }
    }

    fn entry(time: u64, idle: u64, deliveries: u64) -> PendingEntry {
        PendingEntry { id: id(time), owner: "o".to_owned(), idle: Duration::from_millis(idle), deliveries }
    }

    fn ids(entries: &[PendingEntry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.id.time).collect()
    }

    #[test]
    fn idle_entries_are_claimed_until_the_retry_limit() {
        let page = vec![entry(1, 99, 1), entry(2, 100, 2), entry(3, 100, 3), entry(4, 5_000, 4)];
        let plan = plan(page, 100, LIMITS, 10, |_| false);
        assert_eq!((ids(&plan.claim), ids(&plan.exhausted)), (vec![2], vec![3, 4]));
        assert_eq!((plan.next, plan.crowded), (None, false));
    }

    #[test]
    fn claims_fill_the_free_slots_and_the_next_page_begins_behind_them() {
        let page = (1..=4).map(|time| entry(time, 200, 1)).collect();
        let plan = plan(page, 4, LIMITS, 2, |_| false);
        assert_eq!(ids(&plan.claim), [1, 2]);
        assert_eq!((plan.next, plan.crowded), (Some(id(3)), true));
    }

    #[test]
    fn pages_do_not_overlap() {
        let full = plan(vec![entry(1, 200, 1), entry(2, 0, 1)], 2, LIMITS, 9, |_| false);
        assert_eq!(full.next, Some(EntryId { time: 2, sequence: 1 }));
        let short = plan(vec![entry(1, 200, 1)], 2, LIMITS, 9, |_| false);
        assert_eq!(short.next, None);
        assert_eq!(plan(Vec::new(), 2, LIMITS, 9, |_| false), ClaimPlan::default());
    }

    #[test]
    fn entries_in_flight_are_left_alone() {
        let page = vec![entry(1, 200, 1), entry(2, 200, 9)];
        assert_eq!(plan(page, 100, LIMITS, 9, |_| true), ClaimPlan::default());
    }
}
