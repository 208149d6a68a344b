//! Which jobs a producer waits for, and what came for them so far. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use super::host::Arrival;
use super::plan::Plan;

/// One wait for the completions of one job on one stream.
#[derive(Debug)]
struct Wait {
    number: u32,
    plan: Arc<Plan>,
    ends_at_error: bool,
    arrivals: Vec<Arrival>,
}

/// A wait that is over.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The host's number for it.
    pub wait: u32,
    /// Everything that came, in that order.
    pub arrivals: Vec<Arrival>,
}

/// The waits of one producer, by job.
#[derive(Debug, Default)]
pub struct Completions {
    /// More than one wait per job is rare: the same job sent to several streams, or again.
    waits: HashMap<String, Vec<Wait>>,
}

impl Completions {
    /// Starts a wait.
    pub fn wait(&mut self, number: u32, job: &str, plan: Arc<Plan>, ends_at_error: bool) {
        let wait = Wait { number, plan, ends_at_error, arrivals: Vec::new() };
        match self.waits.get_mut(job) {
            Some(waits) => waits.push(wait),
            None => drop(self.waits.insert(job.to_owned(), vec![wait])),
        }
    }

    /// Ends a wait whose outcome nobody wants.
    pub fn forget(&mut self, number: u32, job: &str) {
        if let Some(waits) = self.waits.get_mut(job) {
            waits.retain(|wait| wait.number != number);
            if waits.is_empty() {
                self.waits.remove(job);
            }
        }
    }

    /// Ends all waits and returns their numbers.
    pub fn abandon(&mut self) -> Vec<u32> {
        self.waits.drain().flat_map(|(_, waits)| waits).map(|wait| wait.number).collect()
    }

    /// A completion arrived; returns the waits that it ends. A group counts once however often it completes;
    /// one that is not awaited is noted but does not count.
    pub fn arrive(&mut self, job: &str, stream: &str, arrival: &Arrival) -> Vec<Outcome> {
        let Some(waits) = self.waits.get_mut(job) else { return Vec::new() };
        let mut outcomes = Vec::new();
        waits.retain_mut(|wait| {
            if wait.plan.stream != stream {
                return true;
            }
            wait.note(arrival);
            let over = wait.is_over();
            if over {
                outcomes.push(Outcome { wait: wait.number, arrivals: std::mem::take(&mut wait.arrivals) });
            }
            !over
        });
        if waits.is_empty() {
            self.waits.remove(job);
        }
        outcomes
    }

    /// How many jobs are waited for.
    pub fn len(&self) -> usize {
        self.waits.len()
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }
}

impl Wait {
    /// The latest word of a group is what the user sees.
    fn note(&mut self, arrival: &Arrival) {
        match self.arrivals.iter_mut().find(|earlier| earlier.group == arrival.group) {
            Some(earlier) => *earlier = arrival.clone(),
            None => self.arrivals.push(arrival.clone()),
        }
    }

    fn is_over(&self) -> bool {
        if self.ends_at_error && self.arrivals.iter().any(|arrival| arrival.error.is_some()) {
            return true;
        }
        self.plan.groups.iter().all(|group| self.arrivals.iter().any(|arrival| arrival.group == *group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(groups: &[&str]) -> Arc<Plan> {
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        Arc::new(Plan::awaiting("s", &groups))
    }

    fn arrival(group: &str, error: Option<&str>) -> Arrival {
        Arrival { group: group.to_owned(), at: 1.0, error: error.map(str::to_owned) }
    }

    #[test]
    fn a_wait_is_over_when_every_group_completed() {
        let mut completions = Completions::default();
        completions.wait(7, "J", plan(&["a", "b", "a"]), false);
        assert!(completions.arrive("J", "s", &arrival("a", None)).is_empty());
        assert!(completions.arrive("J", "s", &arrival("a", None)).is_empty(), "a group counts once");
        let outcomes = completions.arrive("J", "s", &arrival("b", Some("1")));
        assert_eq!(outcomes[0].wait, 7);
        assert_eq!(outcomes[0].arrivals, [arrival("a", None), arrival("b", Some("1"))]);
        assert!(completions.is_empty());
    }

    #[test]
    fn other_groups_are_noted_and_other_streams_ignored() {
        let mut completions = Completions::default();
        completions.wait(1, "J", plan(&["a"]), false);
        assert!(completions.arrive("J", "s", &arrival("toString", None)).is_empty());
        assert!(completions.arrive("J", "t", &arrival("a", None)).is_empty());
        assert!(completions.arrive("K", "s", &arrival("a", None)).is_empty());
        assert_eq!(completions.arrive("J", "s", &arrival("a", None))[0].arrivals.len(), 2);
    }

    #[test]
    fn an_error_ends_the_wait_at_once_where_that_was_asked() {
        let mut completions = Completions::default();
        completions.wait(1, "J", plan(&["a", "b"]), true);
        completions.wait(2, "J", plan(&["a", "b"]), false);
        let outcomes = completions.arrive("J", "s", &arrival("a", Some("{}")));
        assert_eq!(outcomes.iter().map(|outcome| outcome.wait).collect::<Vec<_>>(), [1]);
        assert_eq!(completions.len(), 1);
    }

    #[test]
    fn forgotten_and_abandoned_waits_are_gone() {
        let mut completions = Completions::default();
        completions.wait(1, "J", plan(&["a"]), false);
        completions.wait(2, "J", plan(&["a"]), false);
        completions.forget(1, "J");
        assert_eq!(completions.arrive("J", "s", &arrival("a", None)).len(), 1);
        completions.wait(3, "K", plan(&["a"]), false);
        assert_eq!(completions.abandon(), [3]);
        assert!(completions.is_empty());
    }
}
