//! Waiting: entries that a group has not started although a consumer of it could.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::What;
use super::summary::{Entry, Summary, group_number};
use crate::history::{Control, Event, Timed};

/// Time within which a consumer with a free slot begins a new entry, in ms.
const NEW: u64 = 5_000;
/// Time within which it begins an entry that Redis has delivered to it, in ms.
const DELIVERED: u64 = 1_500;
/// Step between two times of which one is looked at, in ms.
const STRIDE: u64 = 250;

/// Times between which a consumer plays and has a free slot.
type Readiness = BTreeMap<u32, Vec<(u64, u64)>>;

impl Summary<'_> {
    /// A new entry begins soon if a consumer of the group has a free slot.
    pub(super) fn idle_slots(&self, found: &mut Vec<String>) {
        let ready = self.readiness();
        for (job, entry) in self.entries.iter().flat_map(|(job, all)| all.iter().map(move |one| (job, one))) {
            for key in &entry.groups {
                let Some(group) = group_number(key) else { continue };
                // An entry can wait for another one of its key, for an owner, or for a permit.
                if self.is_lost(entry, key)
                    || self.flushed.contains_key(&entry.port)
                    || self.lease_of(&entry.stream).is_some()
                    || self.is_limited(&entry.stream)
                {
                    continue;
                }
                let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
                let until = steps.first().map_or(self.end.healed, |step| step.at).min(self.end.healed);
                let of_group = ready.iter().filter(|(consumer, _)| self.group_of(**consumer) == group);
                for (consumer, intervals) in of_group {
                    if let Some(at) = self.idle_at(*consumer, intervals, (entry.at, until), NEW) {
                        found.push(format!(
                            "j{job}: g{group} has not begun {} of {} at {at}, and consumer {consumer} is idle",
                            entry.id, entry.at
                        ));
                    }
                }
            }
        }
    }

    /// An entry that Redis has delivered begins soon if its consumer has a free slot, also if the reply was lost.
    pub(super) fn lost_reads(&self, found: &mut Vec<String>) {
        let ready = self.between_claims(self.readiness());
        let mut starts: BTreeMap<(u32, u32), Vec<u64>> = BTreeMap::new();
        for run in self.runs.values() {
            starts.entry((run.consumer, run.job)).or_default().push(run.start);
        }
        for (job, entry) in self.entries.iter().flat_map(|(job, all)| all.iter().map(move |one| (job, one))) {
            for group in 0..self.scenario.groups.len() {
                self.lost_read((*job, entry), group, (&ready, &starts), found);
            }
        }
    }

    fn lost_read(
        &self,
        (job, entry): (u32, &Entry),
        group: usize,
        (ready, starts): (&Readiness, &BTreeMap<(u32, u32), Vec<u64>>),
        found: &mut Vec<String>,
    ) {
        let key = format!("hfxbus:csr:g{group}");
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let [first, ..] = steps else { return };
        let What::Delivered(consumer) = first.what else { return };
        // A failover undoes the delivery.
        if self.is_lost(entry, &key)
            || self.is_destroyed(group, job)
            || self.is_ever_rewound(entry.port, &entry.stream)
            || self.lease_of(&entry.stream).is_some()
            || self.is_limited(&entry.stream)
        {
            return;
        }
        let next = steps.get(1).map_or(self.end.healed, |step| step.at).min(self.end.healed);
        let begun = starts.get(&(consumer, job)).into_iter().flatten().copied().filter(|at| *at >= first.at);
        let until = begun.min().unwrap_or(u64::MAX).min(next);
        let intervals = ready.get(&consumer).map_or(&[][..], Vec::as_slice);
        if let Some(at) = self.idle_at(consumer, intervals, (first.at, until), DELIVERED) {
            found.push(format!(
                "j{job}: consumer {consumer} got {} at {}, has not begun it at {at}, and is idle",
                entry.id, first.at
            ));
        }
    }

    /// Returns a time between two ones at which a consumer was ready for `least` ms, and nothing disturbed its process.
    fn idle_at(
        &self,
        consumer: u32,
        intervals: &[(u64, u64)],
        (from, until): (u64, u64),
        least: u64,
    ) -> Option<u64> {
        let process = Self::process_of(consumer);
        intervals.iter().find_map(|&(begin, end)| {
            let (mut at, end) = (begin.max(from), end.min(until));
            while at + least < end {
                let (from, to) = (at.saturating_sub(STRIDE), at + least);
                if !self.disruptions.between(process, from, to) && !self.disruptions.is_changing(from, to) {
                    return Some(at + least);
                }
                at += STRIDE;
            }
            None
        })
    }

    /// Ends the readiness of a consumer at each claim. During a backlog of claims, searches keep slots for them, and entries that
    /// were read get only their share of the free ones.
    fn between_claims(&self, ready: Readiness) -> Readiness {
        let mut claims: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
        for step in self.ledger.entries().flat_map(|(_, steps)| steps) {
            if let What::Claimed { consumer, is_start: true, .. } = step.what {
                claims.entry(consumer).or_default().insert(step.at);
            }
        }
        let cut = |(consumer, intervals): (u32, Vec<(u64, u64)>)| {
            let times: Vec<u64> = claims.get(&consumer).into_iter().flatten().copied().collect();
            let parts = intervals.into_iter().flat_map(|(begin, end)| {
                let within = times.iter().copied().filter(move |at| (begin..end).contains(at));
                let bounds: Vec<u64> = [begin].into_iter().chain(within).chain([end]).collect();
                bounds.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
            });
            (consumer, parts.collect())
        };
        ready.into_iter().map(cut).collect()
    }

    /// Returns the times at which each consumer plays and has a free slot.
    fn readiness(&self) -> Readiness {
        let mut ready: Readiness = BTreeMap::new();
        let mut since: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut beginning, mut playing): (BTreeSet<u32>, BTreeSet<u32>) = Default::default();
        // Calls of `play()` that are open. Nothing says which of several ones has returned, so all of them must.
        let mut open: BTreeMap<u32, usize> = BTreeMap::new();
        let mut running: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut stopping: BTreeSet<u32> = BTreeSet::new();
        for Timed { at, event } in self.events {
            let of = match event {
                Event::Called { what: Control::Play, of } => {
                    *open.entry(*of).or_default() += 1;
                    beginning.insert(*of);
                    continue;
                }
                Event::Returned { what: Control::Play, of, error } => {
                    let open = open.entry(*of).or_default();
                    *open = open.saturating_sub(1);
                    if error.is_some() {
                        beginning.remove(of);
                    }
                    // A pause or a stop in between prevents the reads, and a stop that is under way ends them again.
                    let is_stopping = stopping.contains(&Self::process_of(*of));
                    if *open > 0 || !beginning.remove(of) || is_stopping {
                        continue;
                    }
                    playing.insert(*of);
                    vec![*of]
                }
                Event::Called { what: Control::Pause, of } => {
                    beginning.remove(of);
                    playing.remove(of);
                    vec![*of]
                }
                Event::Called { what: Control::Stop, of }
                | Event::Returned { what: Control::Stop, of, .. }
                | Event::Killed { process: of } => {
                    match event {
                        Event::Called { .. } => drop(stopping.insert(*of)),
                        _ => drop(stopping.remove(of)),
                    }
                    let stopped: Vec<u32> =
                        playing.iter().copied().filter(|one| Self::process_of(*one) == *of).collect();
                    playing.retain(|one| Self::process_of(*one) != *of);
                    beginning.retain(|one| Self::process_of(*one) != *of);
                    stopped
                }
                Event::Start { run, consumer, .. } => {
                    running.entry(*consumer).or_default().insert(*run);
                    vec![*consumer]
                }
                Event::End { run, .. } => {
                    let Some(of) = self.runs.get(run) else { continue };
                    running.entry(of.consumer).or_default().remove(run);
                    vec![of.consumer]
                }
                _ => continue,
            };
            for consumer in of {
                let runs = running.get(&consumer).map_or(0, BTreeSet::len);
                // A cap leaves slots free.
                let has_cap = self.fair_of(consumer).is_some_and(|fair| fair.cap.is_some());
                if playing.contains(&consumer) && runs < self.concurrency_of(consumer) && !has_cap {
                    since.entry(consumer).or_insert(*at);
                } else if let Some(begin) = since.remove(&consumer) {
                    ready.entry(consumer).or_default().push((begin, *at));
                }
            }
        }
        for (consumer, begin) in since {
            ready.entry(consumer).or_default().push((begin, u64::MAX));
        }
        ready
    }
}
