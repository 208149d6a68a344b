//! One wait for completions, from its beginning to its outcome. Pure.

use std::sync::Arc;
use std::time::Instant;

use crate::redis_io::streams::entry::EntryId;

use crate::engine::host::Arrival;
use crate::engine::producer::send_plan::Plan;

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
pub(crate) struct Wait {
    pub(crate) job: Arc<str>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) ends_at_error: bool,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) recorded: Option<Instant>,
    /// The entry, once Redis has said which it is.
    pub(crate) entry: Option<EntryId>,
    /// When Redis is asked about it next.
    pub(crate) check_at: Option<Instant>,
    /// Whether a completion may have been missed before the entry was known.
    pub(crate) in_doubt: bool,
    /// Whether the entry was found gone the last time.
    pub(crate) gone: bool,
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
    pub(crate) fn new(begin: Begin<'_>, job: Arc<str>) -> Self {
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
    pub(crate) fn note(&mut self, arrival: &Arrival) {
        match self.arrivals.iter_mut().find(|earlier| earlier.group == arrival.group) {
            Some(earlier) => *earlier = arrival.clone(),
            None => self.arrivals.push(arrival.clone()),
        }
    }

    pub(crate) fn is_missing(&self, group: &str) -> bool {
        self.arrivals.iter().all(|arrival| arrival.group != group)
    }

    pub(crate) fn is_over(&self) -> bool {
        if self.ends_at_error && self.arrivals.iter().any(|arrival| arrival.error.is_some()) {
            return true;
        }
        self.plan.groups.iter().all(|group| !self.is_missing(group))
    }

    pub(crate) fn case(&self) -> Option<Case> {
        let (job, plan, arrivals) = (self.job.clone(), self.plan.clone(), self.arrivals.clone());
        Some(Case { job, plan, entry: self.entry?, arrivals })
    }

    pub(crate) fn doubt(&self, wait: u32) -> Option<Doubt> {
        let (job, plan, recorded) = (self.job.clone(), self.plan.clone(), self.recorded.is_some());
        Some(Doubt { wait, job, plan, entry: self.entry?, recorded })
    }
}
