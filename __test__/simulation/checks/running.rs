//! Running: the limits of concurrency, the order, overlaps and pauses.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Step, What};
use super::summary::{Entry, Run, Summary};
use crate::groups::parse_entry_id;
use crate::history::{Control, End, Event, Timed};

/// Key of a job: its stream, and its key there.
type JobKey = (usize, Option<u8>);

impl Summary<'_> {
    /// A consumer never runs more than `concurrency` jobs.
    pub(super) fn concurrency(&self, found: &mut Vec<String>) {
        let mut running: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Start { run, consumer, .. } => {
                    let runs = running.entry(*consumer).or_default();
                    runs.insert(*run);
                    let most = self.concurrency_of(*consumer);
                    // 2.2.0 reads at least one entry of each stream.
                    let most =
                        if self.is_legacy(*consumer) { most + self.scenario.streams.len() } else { most };
                    if runs.len() > most {
                        found
                            .push(format!("at {at}: consumer {consumer} runs {} jobs of {most}", runs.len()));
                    }
                }
                Event::End { run, .. } => {
                    if let Some(of) = self.runs.get(run) {
                        running.entry(of.consumer).or_default().remove(run);
                    }
                }
                _ => {}
            }
        }
    }

    /// A consumer never runs more jobs of a key than its cap.
    pub(super) fn shares(&self, found: &mut Vec<String>) {
        let keys: BTreeMap<u32, JobKey> =
            self.scenario.sends().map(|send| (send.job, (send.stream, send.key))).collect();
        let mut running: BTreeMap<(u32, JobKey), BTreeSet<u32>> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Start { run, consumer, job, .. } => {
                    let Some(cap) = self.fair_of(*consumer).and_then(|fair| fair.cap) else { continue };
                    let Some(key) = keys.get(job) else { continue };
                    let runs = running.entry((*consumer, *key)).or_default();
                    runs.insert(*run);
                    if runs.len() > cap {
                        let (count, key) = (runs.len(), key.1);
                        found.push(format!("at {at}: consumer {consumer} runs {count} jobs of key {key:?}"));
                    }
                }
                Event::End { run, .. } => {
                    let Some(of) = self.runs.get(run) else { continue };
                    let Some(key) = keys.get(&of.job) else { continue };
                    running.entry((of.consumer, *key)).or_default().remove(run);
                }
                _ => {}
            }
        }
    }

    /// Without faults, one consumer with `concurrency: 1` runs a stream in its order.
    pub(super) fn order(&self, found: &mut Vec<String>) {
        if !self.scenario.is_calm() {
            return;
        }
        let mut last: BTreeMap<(usize, u16, &str), (u64, u64)> = BTreeMap::new();
        for Timed { at, event } in self.events.iter().filter(|timed| timed.at < self.end.healed) {
            let Event::Start { consumer, job, .. } = event else { continue };
            let group = self.group_of(*consumer);
            let consumers = self.scenario.processes.iter().flat_map(|process| &process.consumers);
            let members: Vec<_> = consumers.filter(|one| one.group == group).collect();
            if !matches!(members[..], [only] if only.concurrency == 1 && only.deadline.is_none() && only.fair.is_none())
            {
                continue;
            }
            let [entry] = self.entries_of(*job) else { continue };
            if self.lease_of(&entry.stream).is_some() {
                continue;
            }
            let Some(id) = parse_entry_id(&entry.id) else { continue };
            let before = last.insert((group, entry.port, &entry.stream), id);
            if before.is_some_and(|before| before > id) {
                found.push(format!("at {at} j{job}: g{group} has started {} out of order", entry.id));
            }
        }
    }

    /// Two runs of an entry overlap only if the first consumer could not reach Redis for `claimDeadline`.
    pub(super) fn overlap(&self, found: &mut Vec<String>) {
        let mut by_job: BTreeMap<(usize, u32), Vec<&Run>> = BTreeMap::new();
        for run in self.runs.values() {
            by_job.entry((run.group, run.job)).or_default().push(run);
        }
        for ((group, job), runs) in by_job {
            let [entry] = self.entries_of(job) else { continue };
            if self.flushed.contains_key(&entry.port)
                || self.destroyed.contains_key(&(
                    entry.port,
                    entry.stream.clone(),
                    format!("hfxbus:csr:g{group}"),
                ))
            {
                continue;
            }
            let deadline = self.scenario.groups[group].claim_deadline;
            let deadline = self.lease_of(&entry.stream).map_or(deadline, |lease| lease.min(deadline));
            for (at, first) in runs.iter().enumerate() {
                let until = self.end_of(first).min(self.handed_back(entry, first));
                for second in &runs[at + 1..] {
                    let process = Self::process_of(first.consumer);
                    // JavaScript that was busy begins a job later than the engine, or after its deadline.
                    let is_expired = matches!(second.end, Some((_, End::Expired)))
                        || self.deadline_of(first.consumer).is_some()
                            && self.disruptions.between(
                                process,
                                first.start.saturating_sub(8_000),
                                second.start,
                            );
                    // A job that waited in its process runs after a failover that has undone its delivery.
                    let owned_since = self.owned_since(entry, second);
                    let waits = self.owned_since(entry, first);
                    // 2.2.0 renews no leases.
                    let is_excused = self.is_legacy(first.consumer)
                        && second.start - self.owned_since(entry, first) >= deadline;
                    if second.start < until
                        && !is_excused
                        && !is_expired
                        && !self.is_rewound(entry, owned_since.min(first.start), second.start)
                        && !self.is_undone((entry.port, &entry.stream), waits, first.start)
                        && !self.may_have_lost(entry, first, second, deadline)
                        && !self.has_lost_partition(entry, first, second, deadline)
                        && !self.is_of_late_read(entry, first, second, deadline)
                        && !self.is_begun_late(entry, second, deadline)
                    {
                        found.push(format!(
                            "j{job}: g{group} runs {} at {} in consumer {} and at {} in consumer {}",
                            entry.id, first.start, first.consumer, second.start, second.consumer
                        ));
                    }
                }
            }
        }
    }

    /// Returns true if the first consumer can have lost the lease until the second one has started the job, or until another one
    /// has taken the entry, which can wait there, or go on to the second one.
    fn may_have_lost(&self, entry: &Entry, first: &Run, second: &Run, deadline: u64) -> bool {
        let steps = self.ledger.steps(entry.port, &entry.stream, second.group, &entry.id);
        let is_taken = |what: What| matches!(what, What::Claimed { consumer, is_start: true, .. } if consumer != first.consumer);
        let taken = steps.iter().filter(|step| is_taken(step.what)).map(|step| step.at);
        let times = taken.filter(|at| (first.start..second.start).contains(at)).chain([second.start]);
        let process = Self::process_of(first.consumer);
        times
            .into_iter()
            .any(|until| self.disruptions.excuse(process, entry.port, (first.start, until), deadline))
    }

    /// Returns true if the owner of a partition can have lost its lease right after it had renewed an entry for the last time. The
    /// next owner can come much later, since no partition moves while a server refuses writes.
    fn has_lost_partition(&self, entry: &Entry, first: &Run, second: &Run, deadline: u64) -> bool {
        if self.lease_of(&entry.stream).is_none() {
            return false;
        }
        let steps = self.ledger.steps(entry.port, &entry.stream, second.group, &entry.id);
        let is_taken = |step: &Step| {
            let is_of_second = matches!(step.what, What::Claimed { consumer, is_start: true, .. } if consumer == second.consumer);
            is_of_second && step.at <= second.start
        };
        let Some(taken) = steps.iter().rposition(is_taken) else { return false };
        let renewed = steps[..taken].iter().rfind(|step| step.what.owner() == Some(first.consumer));
        renewed.is_some_and(|step| {
            let process = Self::process_of(first.consumer);
            self.disruptions.excuse(process, entry.port, (step.at, step.at + 2 * deadline), deadline)
        })
    }

    /// Time at which a stop handed the entry of a run back, also of one that began during the stop.
    fn handed_back(&self, entry: &Entry, run: &Run) -> u64 {
        if !self.stops.contains_key(&Self::process_of(run.consumer)) {
            return u64::MAX;
        }
        let steps = self.ledger.steps(entry.port, &entry.stream, run.group, &entry.id);
        let is_hand_back = |step: &&Step| {
            let is_own = matches!(step.what, What::Claimed { consumer, idle: u64::MAX, is_start: false, .. } if consumer == run.consumer);
            is_own && step.at >= run.start
        };
        steps.iter().find(is_hand_back).map_or(u64::MAX, |step| step.at)
    }

    /// Time at which Redis gave an entry to the consumer of a run. The run begins when the reply is there.
    fn owned_since(&self, entry: &Entry, run: &Run) -> u64 {
        let steps = self.ledger.steps(entry.port, &entry.stream, run.group, &entry.id);
        let is_before = |step: &&Step| step.at <= run.start && step.what.owner() == Some(run.consumer);
        steps.iter().rev().find(is_before).map_or(run.start, |step| step.at)
    }

    /// Returns true if the second run is of a read that was answered late, or if another consumer has taken the entry since,
    /// because of such a read. That one can have put a new delay on it, or handed it back. Both jobs can have waited for a
    /// slot or a permit in their consumers meanwhile.
    fn is_of_late_read(&self, entry: &Entry, first: &Run, second: &Run, deadline: u64) -> bool {
        let steps = self.ledger.steps(entry.port, &entry.stream, second.group, &entry.id);
        let owned_since = self.owned_since(entry, first).min(self.owned_since(entry, second));
        let between = steps.iter().filter(|step| (owned_since..=second.start).contains(&step.at));
        let owners = between.filter_map(|step| match step.what {
            What::Claimed { consumer, is_start: false, .. } => Some((consumer, step.at)),
            _ => None,
        });
        let mut owners = owners.chain([(second.consumer, second.start)]);
        owners.any(|(owner, at)| {
            Self::process_of(first.consumer) != Self::process_of(owner)
                && self.is_read_late(entry.port, steps, (owner, at), deadline)
        })
    }

    /// Nothing begins after `pause()` or `stop()` has resolved.
    pub(super) fn pause(&self, found: &mut Vec<String>) {
        let mut stopped: BTreeSet<u32> = BTreeSet::new();
        let mut playing: BTreeSet<u32> = BTreeSet::new();
        // While JavaScript is busy, a pause can resolve behind the call of the next one.
        let mut pauses: BTreeMap<u32, usize> = BTreeMap::new();
        for Timed { at, event } in self.events {
            if let Event::Returned { what: Control::Pause, of, .. } = event {
                pauses.entry(*of).and_modify(|open| *open = open.saturating_sub(1));
            }
            match event {
                Event::Called { what: Control::Play, of } => {
                    stopped.remove(of);
                    playing.insert(*of);
                }
                Event::Called { what: Control::Pause, of } => {
                    playing.remove(of);
                    *pauses.entry(*of).or_default() += 1;
                }
                Event::Called { what: Control::Stop, of } => {
                    playing.retain(|one| Self::process_of(*one) != *of)
                }
                Event::Returned { what: Control::Pause, of, error: None } => {
                    let is_last = pauses.get(of).is_none_or(|open| *open == 0);
                    stopped.extend(Some(*of).filter(|_| is_last && !playing.contains(of)));
                }
                Event::Returned { what: Control::Stop, of, .. } => {
                    let members = (of * 100 + 1..=of * 100 + 9).filter(|one| !playing.contains(one));
                    stopped.extend(members);
                }
                Event::Start { consumer, job, .. } if stopped.contains(consumer) => {
                    found
                        .push(format!("at {at} j{job}: consumer {consumer} runs it after its pause or stop"));
                }
                _ => {}
            }
        }
    }
}
