//! One wait for completions, from its beginning to its outcome. Pure.

use std::sync::Arc;

use tokio::time::Instant;

use crate::redis_io::streams::entry::EntryId;
use crate::redis_io::world::fault::planted;

use crate::engine::host::GroupCompletion;
use crate::engine::producer::routine_checks::RoutineCheck;
use crate::engine::producer::sending::send_plan::SendPlan;

/// A wait for the completions of one job on one stream, as it begins.
#[derive(Debug)]
pub struct WaitStart<'a> {
    /// The host's number for it.
    pub number: u32,
    /// The job.
    pub job: &'a str,
    /// The stream and the groups.
    pub plan: Arc<SendPlan>,
    /// True if the first error ends the wait.
    pub ends_at_error: bool,
    /// Time of the send, if outcomes are recorded for it.
    pub recorded: Option<Instant>,
    /// Groups that are not known to exist.
    pub unknown_groups: Vec<String>,
    /// Number of changes of servers before the send.
    pub servers: u64,
}

/// A wait under way.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) job: Arc<str>,
    pub(crate) plan: Arc<SendPlan>,
    pub(crate) ends_at_error: bool,
    pub(crate) arrivals: Vec<GroupCompletion>,
    pub(crate) recorded: Option<Instant>,
    /// Groups that can have been created after the job was sent.
    pub(crate) unknown_groups: Vec<String>,
    /// Number of changes of servers before the send.
    pub(crate) servers: u64,
    /// The entry, once Redis has replied with its id.
    pub(crate) entry: Option<EntryId>,
    /// Its send, if that has an id.
    pub(crate) once: Option<Box<SentOnce>>,
    /// Time since which the completions of an earlier send are asked for.
    pub(crate) followed: Option<Instant>,
    /// Time of the next check.
    pub(crate) check_at: Option<Instant>,
    /// True if a completion can have been missed before the entry was known.
    pub(crate) needs_check: bool,
    /// True if the last check found no way for the job to end.
    pub(crate) gone: bool,
    /// Sweeps that check it, without a record.
    pub(crate) routine: Option<RoutineCheck>,
    /// True if the next check is one of a sweep.
    pub(crate) is_tentative: bool,
}

/// A wait that is over.
#[derive(Debug, PartialEq)]
pub struct CompletedWait {
    /// The host's number for it.
    pub wait: u32,
    /// Completions in the order of arrival.
    pub arrivals: Vec<GroupCompletion>,
}

/// A wait that an outcome query is due for.
#[derive(Clone, Debug)]
pub struct OutcomeCheck {
    /// The host's number for it.
    pub wait: u32,
    /// The job.
    pub job: Arc<str>,
    /// The stream and the groups.
    pub plan: Arc<SendPlan>,
    /// The entry.
    pub entry: EntryId,
    /// True if outcomes are recorded for it.
    pub recorded: bool,
    /// Groups that can have been created after the job was sent.
    pub unknown_groups: Vec<String>,
    /// Number of changes of servers before the send.
    pub servers: u64,
    /// True if an end needs a second check, since its completion can be on its way.
    pub is_tentative: bool,
}

/// A send with an idempotency id, or a delayed one, that a wait belongs to.
#[derive(Debug)]
pub(crate) struct SentOnce {
    /// The id.
    pub(crate) id: Box<str>,
    /// The send whose entry counts: the id of its producer and its number.
    pub(crate) send: Box<str>,
    /// True if its entry was not added when Redis replied.
    pub(crate) is_delayed: bool,
}

/// A wait that needs its entry first.
#[derive(Debug)]
pub(crate) struct EntrySearch {
    /// The host's number for it.
    pub(crate) wait: u32,
    /// The job.
    pub(crate) job: Arc<str>,
    /// The stream and the groups.
    pub(crate) plan: Arc<SendPlan>,
    /// As in [`SentOnce`].
    pub(crate) id: Box<str>,
    /// As in [`SentOnce`].
    pub(crate) send: Box<str>,
    /// True if the send is an earlier one.
    pub(crate) is_followed: bool,
}

/// State of a wait at one time.
#[derive(Clone, Debug)]
pub struct WaitSnapshot {
    /// The job.
    pub job: Arc<str>,
    /// The stream and the groups.
    pub plan: Arc<SendPlan>,
    /// The entry.
    pub entry: EntryId,
    /// Completions so far.
    pub arrivals: Vec<GroupCompletion>,
}

impl Wait {
    pub(crate) fn new(begin: WaitStart<'_>, job: Arc<str>, routine: Option<RoutineCheck>) -> Self {
        Self {
            job,
            plan: begin.plan,
            ends_at_error: begin.ends_at_error,
            recorded: begin.recorded,
            unknown_groups: begin.unknown_groups,
            servers: begin.servers,
            arrivals: Vec::new(),
            entry: None,
            once: None,
            followed: None,
            check_at: None,
            needs_check: false,
            gone: false,
            routine,
            is_tentative: false,
        }
    }

    /// Adds a completion. A later one of the same group replaces the earlier.
    pub(crate) fn note(&mut self, arrival: &GroupCompletion) {
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
        if planted("first completion ends the wait") && !self.arrivals.is_empty() {
            return true;
        }
        self.plan.groups.iter().all(|group| !self.is_missing(group))
    }

    pub(crate) fn case(&self) -> Option<WaitSnapshot> {
        let (job, plan, arrivals) = (self.job.clone(), self.plan.clone(), self.arrivals.clone());
        Some(WaitSnapshot { job, plan, entry: self.entry?, arrivals })
    }

    /// Returns true if it can be checked: its entry is known, or can be searched for.
    pub(crate) fn can_be_checked(&self) -> bool {
        self.entry.is_some() || self.once.as_ref().is_some_and(|once| once.is_delayed)
    }

    pub(crate) fn entry_search(&self, wait: u32) -> Option<EntrySearch> {
        let once = self.once.as_ref().filter(|once| once.is_delayed && self.entry.is_none())?;
        let (id, send, is_followed) = (once.id.clone(), once.send.clone(), self.followed.is_some());
        Some(EntrySearch { wait, job: self.job.clone(), plan: self.plan.clone(), id, send, is_followed })
    }

    pub(crate) fn outcome_check(&mut self, wait: u32) -> Option<OutcomeCheck> {
        let (job, plan, recorded) = (self.job.clone(), self.plan.clone(), self.recorded.is_some());
        let (unknown_groups, is_tentative) =
            (self.unknown_groups.clone(), std::mem::take(&mut self.is_tentative));
        let (entry, servers) = (self.entry?, self.servers);
        Some(OutcomeCheck { wait, job, plan, entry, recorded, unknown_groups, servers, is_tentative })
    }
}
