//! Outcome: what `finished()` reports has happened.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::{Entry, Summary, group_number};
use crate::history::{Done, End, Event, Timed};
use crate::program::failure_text;
use crate::scenario::{self, Action, Arrangement, Scenario};

/// Time after which the id of a delayed send expires, in ms.
const ID_TTL: i64 = 3_600_000;
/// Code of the error of a job without a known outcome.
const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
/// Part of its message if the entry of the job is gone.
const ENTRY_GONE: &str = "entry is gone";
/// Part of its message if the group can have been created after the job was sent.
const GROUP_LATER: &str = "is behind its entry";

impl Summary<'_> {
    /// `finished()` reports an outcome that has happened, and a success only after its acknowledgement.
    pub(super) fn outcome(&self, found: &mut Vec<String>) {
        let mut succeeded: BTreeSet<(usize, u32)> = BTreeSet::new();
        let mut failed: BTreeMap<(usize, u32), Vec<String>> = BTreeMap::new();
        let mut acknowledged: BTreeSet<(usize, String)> = BTreeSet::new();
        let mut reported: BTreeSet<(usize, u32)> = BTreeSet::new();
        for Timed { at, event } in self.events {
            match event {
                Event::End { run, how } => {
                    let Some(of) = self.runs.get(run) else { continue };
                    match how {
                        End::Success => drop(succeeded.insert((of.group, of.job))),
                        End::Failure => {
                            failed.entry((of.group, of.job)).or_default().push(failure_text(*run))
                        }
                        End::Expired => failed.entry((of.group, of.job)).or_default().push(String::new()),
                        End::Released | End::Abandoned => {}
                    }
                }
                Event::Exhausted { consumer, job, .. } => {
                    failed.entry((self.group_of(*consumer), *job)).or_default().push(String::new());
                }
                Event::Server { done: Done::Acknowledged { group, entries, .. }, .. } => {
                    let group = group_number(group).unwrap_or(usize::MAX);
                    acknowledged.extend(entries.iter().map(|entry| (group, entry.clone())));
                }
                Event::Outcome { job, group, error, .. } => {
                    if !reported.insert((*group, *job)) {
                        found.push(format!("j{job}: finished() has settled twice for g{group}"));
                    }
                    let is_awaited = self.sends.get(job).is_some_and(|send| send.waits_for.contains(group));
                    if !is_awaited {
                        // It is kept, and does not count.
                        continue;
                    }
                    match error {
                        // The pending entries of a destroyed group count as done.
                        None if !succeeded.contains(&(*group, *job)) && self.is_destroyed(*group, *job) => {}
                        None if !succeeded.contains(&(*group, *job))
                            && self.has_lost_dead_letter(*group, *job) => {}
                        None if !succeeded.contains(&(*group, *job)) => {
                            found
                                .push(format!("at {at} j{job}: a success of g{group} that no processor had"));
                        }
                        // A record precedes the acknowledgement, and another server can publish before it.
                        None if self.can_publish_first(*job)
                            || self.has_nothing_to_acknowledge(*group, *job)
                            || self.is_refused()
                            || self.sends.get(job).is_none_or(|send| send.is_recorded) => {}
                        None => {
                            let mut entries = self.entries_of(*job).iter();
                            if !entries.any(|entry| acknowledged.contains(&(*group, entry.id.clone()))) {
                                found.push(format!(
                                    "at {at} j{job}: a success of g{group} before its acknowledgement"
                                ));
                            }
                        }
                        Some(error) => {
                            let known = failed.get(&(*group, *job)).map_or(&[][..], Vec::as_slice);
                            let fits =
                                known.iter().any(|text| text.is_empty() || error.contains(text.as_str()))
                                    || error.contains("DEADLINE_TIMEOUT") && self.may_expire(*group);
                            let key = format!("hfxbus:csr:g{group}");
                            let lost = self.entries_of(*job).iter().any(|entry| self.is_lost(entry, &key));
                            // 2.2.0 reports a refused acknowledgement as the failure of its job.
                            let fits = fits || self.has_legacy(*group) && self.is_refused();
                            let is_unknown = error.contains(OUTCOME_UNKNOWN)
                                && (self.entries_of(*job).iter().any(|entry| self.is_unmarked(entry))
                                    || error.contains(ENTRY_GONE) && self.has_other_servers(*at)
                                    || error.contains(GROUP_LATER) && self.is_created_later(*group, *job));
                            if !fits && !lost && !is_unknown && !self.is_exhausted(*group, *job) {
                                found.push(format!(
                                    "at {at} j{job}: a failure of g{group} that no processor had: {error}"
                                ));
                            }
                        }
                    }
                }
                Event::Finished { job } => {
                    let awaited = self.sends.get(job).into_iter().flat_map(|send| &send.waits_for);
                    for group in awaited.filter(|group| !reported.contains(&(**group, *job))) {
                        found.push(format!("at {at} j{job}: finished() has settled without g{group}"));
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns true if another server can have taken over a stream with retention before a time.
    fn has_other_servers(&self, until: u64) -> bool {
        let mut before = self.scenario.actions.iter().take_while(|timed| timed.at <= until);
        let is_change = |action: &Action| {
            matches!(action, Action::FailOver(..) | Action::HandOver(_) | Action::Migrate(..))
        };
        self.scenario.retains.is_some() && before.any(|timed| is_change(&timed.action))
    }

    /// Returns true if a failover has lost the dead letter of a job, and with it the failure. Its acknowledgement is repeated on
    /// the new primary.
    fn has_lost_dead_letter(&self, group: usize, job: u32) -> bool {
        let is_lost = |at: u64| self.rewound.iter().any(|(.., since, until)| (*since..=*until).contains(&at));
        self.dead_letters_of(group, job).any(is_lost)
    }

    /// Returns true if a group did not exist when a job was sent: its entry is added later, after a delay or a subscription. Made
    /// anew before the entry, it gets the job, and nothing in Redis tells it from a group that was made behind the entry.
    fn is_created_later(&self, group: usize, job: u32) -> bool {
        let key = Scenario::group_key(group);
        let entries = self.entries_of(job);
        self.is_unasked(job)
            || entries
                .iter()
                .any(|entry| !entry.groups.contains(&key) || self.is_created_before(entry, &key, job))
    }

    /// Returns true if a producer that was disturbed sent a job in a transaction, which asks for no groups, or if its connection
    /// broke behind a send, which is repeated without the question.
    fn is_unasked(&self, job: u32) -> bool {
        let added = self.entries_of(job).iter().map(|entry| entry.at).max().unwrap_or(0);
        self.events.iter().any(|timed| {
            let Event::Send { job: of, process } = timed.event else { return false };
            let sender = &self.scenario.processes[process as usize - 1];
            of == job
                && (sender.batches && self.disruptions.between(process, 0, timed.at)
                    || self.disruptions.between(process, timed.at, added))
        })
    }

    /// Returns true if a group was created between the send of a job and its entry.
    fn is_created_before(&self, entry: &Entry, key: &str, job: u32) -> bool {
        let is_send = |timed: &&Timed| matches!(timed.event, Event::Send { job: of, .. } if of == job);
        let sent = self.events.iter().find(is_send).map_or(0, |timed| timed.at);
        self.events.iter().filter(|timed| (sent..=entry.at).contains(&timed.at)).any(|timed| {
            matches!(
                &timed.event,
                Event::Server { port, done: Done::GroupMade { stream, group, .. } }
                    if *port == entry.port && *stream == entry.stream && group == key
            )
        })
    }

    /// Returns true if the acknowledgement and the completion of a job can be on different servers, or if a new primary
    /// lacks the entry.
    fn can_publish_first(&self, job: u32) -> bool {
        match self.scenario.arrangement {
            Arrangement::Standalone => self.scenario.nodes > 1,
            Arrangement::Cluster(_) => true,
            Arrangement::Sentinel => {
                self.entries_of(job).iter().any(|entry| self.is_rewound(entry, entry.at, u64::MAX))
            }
        }
    }

    /// Returns true if a group is not the one that had the entry of a job, or if the entry was trimmed while its job ran.
    fn has_nothing_to_acknowledge(&self, group: usize, job: u32) -> bool {
        let key = Scenario::group_key(group);
        self.is_destroyed(group, job) || self.entries_of(job).iter().any(|entry| self.is_lost(entry, &key))
    }

    /// `finished()` settles once the groups have completed the job, also if a completion was missed.
    pub(super) fn finished(&self, found: &mut Vec<String>) {
        if !self.end.unsettled.is_empty() {
            return;
        }
        let mut waits: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        let mut senders: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        for Timed { at, event } in self.events.iter().filter(|timed| timed.at < self.end.stopping) {
            match event {
                Event::Send { job, process } => drop(senders.insert(*job, (*process, *at))),
                Event::Sent { job, error: None } => {
                    let sender = senders.get(job).copied().unwrap_or((0, *at));
                    if self.sends.get(job).is_some_and(|send| !send.waits_for.is_empty()) {
                        waits.insert(*job, sender);
                    }
                }
                _ => {}
            }
        }
        for Timed { event, .. } in self.events.iter().filter(|timed| timed.at < self.end.stopping) {
            if let Event::Finished { job } | Event::Abandoned { job } = event {
                waits.remove(job);
            }
        }
        for (job, (process, sent)) in waits {
            let send = self.sends[&job];
            // A delayed send that was lost before its time has no entry. Its reply can come after the loss.
            let mut flushes = self.flushed.get(&Scenario::port(0)).into_iter().flatten();
            let is_lost_before = send.delay().is_some()
                && self.entries_of(job).is_empty()
                && flushes.any(|flushed| *flushed >= sent);
            // The id of a delayed send, by which its producer finds the entry, expires in the time of Redis.
            let is_set_forward =
                |timed: &scenario::Timed| matches!(timed.action, Action::Clock(_, by) if by >= ID_TTL);
            let has_expired = send.delay().is_some() && self.scenario.actions.iter().any(is_set_forward);
            let is_lost = is_lost_before
                || has_expired
                || self.entries_of(job).iter().any(|entry| {
                    send.waits_for.iter().any(|group| {
                        let key = format!("hfxbus:csr:g{group}");
                        self.is_lost(entry, &key) || !entry.groups.contains(&key)
                    })
                });
            // Without dead letters no completion says that a crash was the last delivery.
            let is_given_up = send.waits_for.iter().any(|&group| {
                self.is_exhausted(group, job) && (self.is_disturbed(group) || self.disruptions.any(process))
            });
            let is_unsent = send.waits_for.iter().any(|&group| self.may_leave_unsent(group));
            if !is_lost && !is_given_up && !is_unsent && !self.killed.contains_key(&process) {
                found.push(format!(
                    "j{job}: finished() has not settled, {}",
                    Scenario::stream_key(send.stream)
                ));
            }
        }
    }
}
