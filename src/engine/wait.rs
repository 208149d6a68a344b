//! One wait for completions, from its beginning to its outcome. Pure.

use std::sync::Arc;
use std::time::Instant;

use crate::redis_io::entries::EntryId;

use super::host::Arrival;
use super::plan::Plan;

/// A wait for the completions of one job on one stream, as it begins.
#[derive(Debug)]
pub struct Begin<'a> {
    /// The host's number for it.
    pub number: u32,
    /// The job.
    pub job: &'a str,
    /// The stream and the groups.
    pub plan: Arc<Plan>,
    /// Whether it is over at the first error.
    pub ends_at_error: bool,
    /// If outcomes are recorded for it: since when.
    pub recorded: Option<Instant>,
}

/// A wait under way.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) job: Arc<str>,
    pub(super) plan: Arc<Plan>,
    pub(super) ends_at_error: bool,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) recorded: Option<Instant>,
    /// The entry, once Redis has said which it is.
    pub(super) entry: Option<EntryId>,
    /// When Redis is asked about it next.
    pub(super) check_at: Option<Instant>,
    /// Whether a completion may have been missed before the entry was known.
    pub(super) in_doubt: bool,
    /// Whether the entry was found gone the last time.
    pub(super) gone: bool,
}

/// A wait that is over.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The host's number for it.
    pub wait: u32,
    /// Everything that came, in that order.
    pub arrivals: Vec<Arrival>,
}

/// A wait about which Redis is to be asked.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// The host's number for it.
    pub wait: u32,
    /// The job.
    pub job: Arc<str>,
    /// The stream and the groups.
    pub plan: Arc<Plan>,
    /// The entry.
    pub entry: EntryId,
    /// Whether outcomes are recorded for it.
    pub recorded: bool,
}

/// A wait that somebody wants to know about.
#[derive(Clone, Debug)]
pub struct Case {
    /// The job.
    pub job: Arc<str>,
    /// The stream and the groups.
    pub plan: Arc<Plan>,
    /// The entry.
    pub entry: EntryId,
    /// What has come so far.
    pub arrivals: Vec<Arrival>,
}

impl Wait {
    pub(super) fn new(begin: Begin<'_>, job: Arc<str>) -> Self {
        Self {
            job,
            plan: begin.plan,
            ends_at_error: begin.ends_at_error,
            recorded: begin.recorded,
            arrivals: Vec::new(),
            entry: None,
            check_at: None,
            in_doubt: false,
            gone: false,
        }
    }

    /// The latest word of a group is what the user sees.
    pub(super) fn note(&mut self, arrival: &Arrival) {
        match self.arrivals.iter_mut().find(|earlier| earlier.group == arrival.group) {
            Some(earlier) => *earlier = arrival.clone(),
            None => self.arrivals.push(arrival.clone()),
        }
    }

    pub(super) fn is_missing(&self, group: &str) -> bool {
        self.arrivals.iter().all(|arrival| arrival.group != group)
    }

    pub(super) fn is_over(&self) -> bool {
        if self.ends_at_error && self.arrivals.iter().any(|arrival| arrival.error.is_some()) {
            return true;
        }
        self.plan.groups.iter().all(|group| !self.is_missing(group))
    }

    pub(super) fn case(&self) -> Option<Case> {
        let (job, plan, arrivals) = (self.job.clone(), self.plan.clone(), self.arrivals.clone());
        Some(Case { job, plan, entry: self.entry?, arrivals })
    }

    pub(super) fn doubt(&self, wait: u32) -> Option<Doubt> {
        let (job, plan, recorded) = (self.job.clone(), self.plan.clone(), self.recorded.is_some());
        Some(Doubt { wait, job, plan, entry: self.entry?, recorded })
    }
}
