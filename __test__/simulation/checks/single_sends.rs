//! Sends: after a lost connection a producer looks for its entries, so that each is in its stream once.

use super::summary::{Entry, Summary};
use crate::scenario::{Action, Arrangement, Refused};

impl Summary<'_> {
    /// A send adds one entry. docs/guarantees.md has the exceptions.
    pub(super) fn single_sends(&self, found: &mut Vec<String>) {
        // Without CLIENT KILL a connection that is lost goes on at the server, and a search that is refused ends.
        let is_refused = self.scenario.actions.iter().any(|timed| {
            matches!(
                timed.action,
                Action::Refuse(_, Refused::Busy | Refused::Loading | Refused::OutOfMemory, _)
            )
        });
        if is_refused {
            return;
        }
        for (job, entries) in &self.entries {
            for (nth, first) in entries.iter().enumerate() {
                for second in &entries[nth + 1..] {
                    if self.is_same_place(first, second) && !self.is_searched_in_vain(first, second) {
                        found.push(format!(
                            "j{job}: {} at {} and {} at {}",
                            first.id, first.at, second.id, second.at
                        ));
                    }
                }
            }
        }
    }

    fn is_same_place(&self, one: &Entry, other: &Entry) -> bool {
        (one.port, &one.stream) == (other.port, &other.stream)
    }

    /// Returns true if an exception explains that the first entry was not found before the second one was added.
    fn is_searched_in_vain(&self, first: &Entry, second: &Entry) -> bool {
        let between = |times: Option<&Vec<u64>>| {
            times.into_iter().flatten().any(|&at| (first.at..=second.at).contains(&at))
        };
        between(self.flushed.get(&first.port))
            || self.is_rewound(first, first.at, u64::MAX)
            || self.has_lower_ids(first, second)
            || !self.is_kept(first.port, &first.stream, &first.id)
            || self.is_retired_before(first, second)
    }

    /// Returns true if a failover or FLUSHALL can have taken an earlier entry with a greater id, since the clock was set back.
    /// Without a Cluster the next session notices that.
    fn has_lower_ids(&self, first: &Entry, second: &Entry) -> bool {
        let mut flushes = self.flushed.get(&first.port).into_iter().flatten();
        matches!(self.scenario.arrangement, Arrangement::Cluster(_))
            && self.disruptions.is_clock_set(first.port, second.at)
            && (self.is_ever_rewound(first.port, &first.stream) || flushes.any(|&at| at <= first.at))
    }

    /// Returns true if retention can have removed the first entry before the search.
    fn is_retired_before(&self, first: &Entry, second: &Entry) -> bool {
        let place = (first.port, first.stream.clone(), first.id.clone());
        let keep = self.scenario.retains.unwrap_or(u64::MAX);
        self.retired.contains_key(&place) && second.at >= first.at.saturating_add(keep)
    }
}
