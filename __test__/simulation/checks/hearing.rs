//! Hearing: a producer that is connected hears of a completion at once, and not only by a query.

use std::collections::BTreeMap;

use super::summary::{Entry, Run, Summary};
use crate::history::{End, Event, Timed};

/// Time within which a producer hears of a completion, in ms. Its first routine query of a wait is later.
const HEARD: u64 = 5_000;
/// Time around an acknowledgement in which nothing disturbs a process, in ms.
const QUIET: u64 = 1_000;

impl Summary<'_> {
    /// A producer that is connected, and waits, hears of the last completion of a job soon.
    pub(super) fn hearing(&self, found: &mut Vec<String>) {
        let mut sends: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Send { job, process } => drop(sends.insert(*job, (*process, u64::MAX))),
                Event::Sent { job, error: None } => {
                    sends.entry(*job).and_modify(|(_, sent)| *sent = *at);
                }
                Event::Finished { job } => {
                    let Some(&(process, sent)) = sends.get(job) else { continue };
                    let Some(last) = self.last_completion(process, *job, *at) else { continue };
                    if sent < last && last + HEARD < *at {
                        found.push(format!("j{job}: completed at {last}, and p{process} learned it at {at}"));
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the time at which the last group completed a job that a producer waits for. `None` if the completion can be
    /// lost, or come later.
    fn last_completion(&self, producer: u32, job: u32, until: u64) -> Option<u64> {
        let groups = &self.sends.get(&job)?.waits_for;
        let completions = groups.iter().map(|&group| {
            let (entry, at) = self.last_acknowledgement(job, group, until)?;
            let consumer = self.consumer_of(job, group, at)?;
            let is_quiet = |process| self.is_quiet(process, entry, at);
            (is_quiet(producer) && is_quiet(Self::process_of(consumer))).then_some(at)
        });
        completions.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }

    /// Returns the last acknowledgement of a job by a group until a time.
    fn last_acknowledgement(&self, job: u32, group: usize, until: u64) -> Option<(&Entry, u64)> {
        let all = self.entries_of(job).iter().flat_map(|entry| {
            let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
            steps.iter().filter(|step| step.what.owner().is_none()).map(move |step| (entry, step.at))
        });
        all.filter(|(_, at)| *at <= until).max_by_key(|(_, at)| *at)
    }

    /// Returns the consumer whose success was acknowledged at a time, at once. A later acknowledgement can be that of a trimmed
    /// entry, which has no completion.
    fn consumer_of(&self, job: u32, group: usize, acknowledged: u64) -> Option<u32> {
        let is_just_over = |at: u64| (acknowledged.saturating_sub(QUIET)..=acknowledged).contains(&at);
        let end = |run: &Run| run.end.filter(|(at, how)| *how == End::Success && is_just_over(*at));
        let of_job = self.runs.values().filter(|run| (run.group, run.job) == (group, job));
        of_job.filter_map(|run| Some((end(run)?.0, run.consumer))).max().map(|(_, consumer)| consumer)
    }

    /// Returns true if a process runs and reaches the server of an entry around a time.
    fn is_quiet(&self, process: u32, entry: &Entry, at: u64) -> bool {
        let (from, to) = (at.saturating_sub(QUIET), at + QUIET);
        let has_ended = |time: &u64| *time <= to;
        !self.killed.get(&process).is_some_and(has_ended)
            && !self.stops.get(&process).into_iter().flatten().any(has_ended)
            && !self.disruptions.between(process, from, to)
            && !self.disruptions.is_changing(from, to)
            && !self.is_ever_rewound(entry.port, &entry.stream)
    }
}
