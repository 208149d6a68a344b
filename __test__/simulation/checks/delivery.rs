//! Delivery: each group starts a job, acknowledges it after a success, and keeps its value.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::{Entry, Summary, group_number, job_number};
use crate::history::{Done, End, Event, Timed, Value};
use crate::scenario::{Payload, Scenario};

impl Summary<'_> {
    /// A resolved send is in the stream, and each group that existed has started it.
    pub(super) fn delivery(&self, found: &mut Vec<String>) {
        for Timed { at, event } in self.events {
            let Event::Sent { job, error: None } = event else { continue };
            // The entry of a delayed send comes later.
            if self.sends.get(job).is_some_and(|send| send.delay().is_some()) {
                continue;
            }
            let Some(entry) = self.entries_of(*job).iter().find(|entry| entry.at <= *at) else {
                found.push(format!("j{job}: send() has resolved, and no server has the entry"));
                continue;
            };
            self.must_start(*job, entry, found);
        }
    }

    /// Each group that existed has started an entry.
    pub(super) fn must_start(&self, job: u32, entry: &Entry, found: &mut Vec<String>) {
        for key in &entry.groups {
            let Some(group) = group_number(key) else { continue };
            // A crash counts as a delivery of the entries that waited in the consumer, and so does a deadline that passed
            // before JavaScript was free.
            let is_given_up =
                self.is_exhausted(group, job) && (self.is_disturbed(group) || self.may_expire(group));
            let is_started = self.runs.values().any(|run| (run.group, run.job) == (group, job));
            if !is_started && !self.is_lost(entry, key) && !is_given_up {
                found.push(format!("j{job}: g{group} has never started entry {}", entry.id));
            }
        }
    }

    /// An entry is acknowledged after a success, or when it moves to the dead letters.
    pub(super) fn acknowledgement(&self, found: &mut Vec<String>) {
        // A new primary whose clock is behind gives the id of a lost entry to another job.
        let mut jobs: BTreeMap<(u16, &str, &str), Vec<u32>> = BTreeMap::new();
        let mut succeeded: BTreeSet<(usize, u32)> = BTreeSet::new();
        let mut gave_up: BTreeSet<(usize, u32)> = BTreeSet::new();
        for Timed { at, event } in self.events {
            match event {
                Event::End { run, how: End::Success } => {
                    let run = &self.runs[run];
                    succeeded.insert((run.group, run.job));
                }
                Event::End { run, how: End::Failure | End::Expired } => {
                    let run = &self.runs[run];
                    gave_up.insert((run.group, run.job));
                }
                Event::Server { port, done: Done::Added { stream, entry, job } } => {
                    if let Some(job) = job_number(job) {
                        jobs.entry((*port, stream, entry)).or_default().push(job);
                    }
                }
                Event::Server { port, done: Done::Acknowledged { stream, group, entries } } => {
                    let (key, Some(group)) = (group, group_number(group)) else { continue };
                    for entry in entries {
                        let Some((&job, earlier)) = jobs
                            .get(&(*port, stream.as_str(), entry.as_str()))
                            .and_then(|jobs| jobs.split_last())
                        else {
                            continue;
                        };
                        let has_dead_letters = self.scenario.groups[group].has_dead_letters;
                        let is_last = gave_up.contains(&(group, job))
                            || self.is_disturbed(group)
                            || self.may_expire(group);
                        // Entries that were trimmed are acknowledged, since there is nothing to run. So are those that retention has
                        // removed before the acknowledgement, if the group was made between two comparisons. A failover can undo
                        // both XTRIM and the acknowledgement.
                        let is_retired = |one: &Entry| {
                            (one.port, &one.stream, &one.id) == (*port, stream, entry)
                                && self.is_retired_without(one, key, *at)
                        };
                        let is_gone = !self.is_kept(*port, stream, entry)
                            || self.has_trims() && self.is_undone((*port, stream), *at, u64::MAX)
                            || self.entries_of(job).iter().any(is_retired);
                        let has_succeeded = |job: &u32| succeeded.contains(&(group, *job));
                        let is_done = has_succeeded(&job) || earlier.iter().any(has_succeeded);
                        if !(is_done || is_gone || has_dead_letters && is_last) {
                            found.push(format!(
                                "at {at} j{job}: g{group} has acknowledged {entry} without a success"
                            ));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// An entry that was moved is in the dead letters.
    pub(super) fn dead_letters(&self, found: &mut Vec<String>) {
        let mut kept: BTreeSet<(String, String)> = BTreeSet::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Server { done: Done::Added { stream, job, .. }, .. } if stream.contains(":dead") => {
                    kept.insert((stream.clone(), job.clone()));
                }
                Event::Exhausted { consumer, job, moved: true, .. } => {
                    let stream = format!("hfxbus:str:dead{}", self.group_of(*consumer));
                    if !kept.contains(&(stream, Scenario::job_id(*job))) {
                        found.push(format!("at {at} j{job}: moved, and not in the dead letters"));
                    }
                }
                _ => {}
            }
        }
    }

    /// A value comes back as it was sent, or not at all if Redis has lost its key.
    pub(super) fn payload(&self, found: &mut Vec<String>) {
        let mut succeeded: BTreeSet<u32> = BTreeSet::new();
        for Timed { at, event } in self.events {
            let (run, value) = match event {
                Event::End { run, how: End::Success } => {
                    succeeded.extend(self.runs.get(run).map(|of| of.job));
                    continue;
                }
                Event::Start { run, value, .. } | Event::Pulled { run, value } => (run, *value),
                _ => continue,
            };
            let Some(of) = self.runs.get(run) else { continue };
            let is_key = self.sends.get(&of.job).is_some_and(|send| matches!(send.payload, Payload::Key(_)));
            let removes = self.sends.get(&of.job).is_some_and(|send| send.changes_payload);
            let is_removed = removes && succeeded.contains(&of.job);
            // A new primary can lack the key of a job that is here already.
            let flushed = self.entries_of(of.job).iter().any(|entry| {
                self.flushed.contains_key(&entry.port) || self.is_rewound(entry, entry.at, u64::MAX)
            });
            match value {
                Value::Wrong => found.push(format!("at {at} j{}: another value than the one sent", of.job)),
                Value::Missing if !(is_key && (flushed || is_removed)) => {
                    found.push(format!("at {at} j{}: no value", of.job));
                }
                _ => {}
            }
        }
    }
}
