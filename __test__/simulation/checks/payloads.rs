//! Payloads: the answer that a completion returns, and changes that leave with a settlement.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::Summary;
use crate::history::{End, Event, Timed};
use crate::program::answer_of;
use crate::scenario::Arrangement;

impl Summary<'_> {
    /// A completion returns the answer of a run that has succeeded. Without faults it is never missing.
    pub(super) fn answers(&self, found: &mut Vec<String>) {
        let mut known: BTreeMap<(usize, u32), Vec<String>> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::End { run, how: End::Success } => {
                    let Some(of) = self.runs.get(run) else { continue };
                    known.entry((of.group, of.job)).or_default().push(answer_of(*run));
                }
                Event::Outcome { job, group, error: None, answer } => {
                    if !self.sends.get(job).is_some_and(|send| send.returns && send.waits_for.contains(group))
                    {
                        continue;
                    }
                    let answers = known.get(&(*group, *job)).map_or(&[][..], Vec::as_slice);
                    let fits = match answer {
                        Some(answer) => answers.contains(answer),
                        None => !self.scenario.is_calm(),
                    };
                    if !fits {
                        found.push(format!("at {at} j{job}: g{group} returns {answer:?}, not {answers:?}"));
                    }
                }
                _ => {}
            }
        }
    }

    /// The changes of a success are there once it is confirmed. Without a success nothing has changed.
    pub(super) fn payload_changes(&self, found: &mut Vec<String>) {
        let mut succeeded: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut confirmed: BTreeSet<u32> = BTreeSet::new();
        for Timed { at, event } in self.events {
            match event {
                Event::End { run, how: End::Success } => {
                    let Some(of) = self.runs.get(run) else { continue };
                    succeeded.entry(of.job).or_default().push(*run);
                }
                Event::Settled { run, error: None } => {
                    let Some(of) = self.runs.get(run).filter(|of| self.settles_changes(of.consumer)) else {
                        continue;
                    };
                    let has_succeeded = succeeded.get(&of.job).is_some_and(|runs| runs.contains(run));
                    if has_succeeded && !self.is_given_up_meanwhile(*run, *at) {
                        confirmed.insert(of.job);
                    }
                }
                _ => {}
            }
        }
        for (job, (has_value, answer)) in &self.end.payloads {
            let [entry] = self.entries_of(*job) else { continue };
            // A new primary can lack changes that were confirmed.
            if self.flushed.contains_key(&entry.port) || self.is_rewound(entry, entry.at, u64::MAX) {
                continue;
            }
            let runs = succeeded.get(job).map_or(&[][..], Vec::as_slice);
            let is_of_run = |answer: &String| runs.iter().any(|run| answer_of(*run) == *answer);
            if answer.as_ref().is_some_and(|answer| !is_of_run(answer)) {
                found.push(format!("j{job}: its answer is {answer:?}, which no success of {runs:?} wrote"));
            }
            if confirmed.contains(job) && (*has_value || answer.is_none()) {
                found.push(format!("j{job}: a success was confirmed, value {has_value}, answer {answer:?}"));
            }
            if *has_value == answer.is_some() {
                found.push(format!("j{job}: half of its changes are there, value {has_value}"));
            }
        }
    }

    /// Returns true if the connection of a run was lost between its success and the reply, and another consumer has moved the
    /// entry to the dead letters in that time, its group was destroyed, or Redis has trimmed the entry. The entry is not pending
    /// then, as after the transaction of the success, so that is not sent again. Other arrangements have no transaction, and
    /// send the changes again in any case.
    fn is_given_up_meanwhile(&self, run: u32, settled: u64) -> bool {
        let Some(of) = self.runs.get(&run) else { return false };
        let Some((ended, _)) = of.end else { return false };
        let process = Self::process_of(of.consumer);
        let meanwhile = || self.events.iter().filter(|timed| (ended..=settled).contains(&timed.at));
        let has_transaction = match self.scenario.arrangement {
            Arrangement::Standalone => self.scenario.nodes == 1,
            Arrangement::Sentinel => true,
            Arrangement::Cluster(_) => false,
        };
        let has_dead_letter =
            || self.dead_letters_of(of.group, of.job).any(|at| (ended..=settled).contains(&at));
        let is_trimmed = || {
            let mut entries = self.entries_of(of.job).iter();
            entries.any(|entry| !self.is_kept(entry.port, &entry.stream, &entry.id))
        };
        has_transaction
            && meanwhile()
                .any(|timed| matches!(timed.event, Event::Joined { process: by, .. } if by == process))
            && (self.is_destroyed(of.group, of.job) || is_trimmed() || has_dead_letter())
    }

    /// Returns true for a consumer whose confirmed success changes payloads. A success after the deadline is ignored, and
    /// 2.2.0 has no such changes.
    fn settles_changes(&self, consumer: u32) -> bool {
        !self.is_legacy(consumer) && self.deadline_of(consumer).is_none()
    }
}
