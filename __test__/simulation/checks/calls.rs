//! Calls: the size of reads, and the time that `pause()` and `stop()` take.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::Summary;
use crate::history::{Control, Done, Event, Timed};
use crate::scenario::{Arrangement, Stream};

/// Time within which `pause()` settles once no job runs, in ms.
const PAUSE: u64 = 1_500;
/// Time within which `stop()` settles if nothing runs, in ms.
const STOP: u64 = 5_000;

impl Summary<'_> {
    /// A read asks for as many entries as there are slots, and for those that are read ahead.
    pub(super) fn read_size(&self, found: &mut Vec<String>) {
        for Timed { at, event } in self.events {
            let Event::Server { done: Done::Delivered { consumer, is_new: true, asked, .. }, .. } = event
            else {
                continue;
            };
            let Some(number) = consumer.strip_prefix('c').and_then(|number| number.parse().ok()) else {
                continue;
            };
            // 2.2.0 rounds up for each of several streams.
            if self.is_legacy(number) {
                continue;
            }
            if let Some(fair) = self.fair_of(number) {
                if *asked > fair.waiting as u64 {
                    found.push(format!("at {at}: consumer {consumer} reads {asked} entries of {fair:?}"));
                }
                continue;
            }
            let room = self.concurrency_of(number) + self.read_ahead_of(number);
            // Each stream of a Cluster can have a read of its own.
            // A partition is read by its owner only.
            // A stream without permits is left out, and the others have its room.
            let is_left_out = |stream: &Stream| stream.lease.is_some() || stream.limit.is_some();
            let streams = match self.scenario.arrangement {
                _ if self.scenario.streams.iter().any(is_left_out) => 1,
                Arrangement::Cluster(_) => 1,
                Arrangement::Standalone | Arrangement::Sentinel => self.scenario.streams.len(),
            };
            let most = (room / streams).max(1) as u64;
            if *asked > most {
                found.push(format!(
                    "at {at}: consumer {consumer} reads {asked} entries, and has room for {most}"
                ));
            }
        }
    }

    /// `pause()` settles soon after the last job has ended.
    pub(super) fn pause_time(&self, found: &mut Vec<String>) {
        let mut calls: BTreeMap<u32, u64> = BTreeMap::new();
        let mut running: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for Timed { at, event } in self.events {
            match event {
                Event::Called { what: Control::Pause, of } => drop(calls.insert(*of, *at)),
                Event::Called { what: Control::Play, of } => drop(calls.remove(of)),
                Event::Start { run, consumer, .. } => {
                    running.entry(*consumer).or_default().insert(*run);
                }
                Event::End { run, .. } => {
                    let Some(of) = self.runs.get(run) else { continue };
                    running.entry(of.consumer).or_default().remove(run);
                    // The wait begins with the last job.
                    if let Some(since) = calls.get_mut(&of.consumer) {
                        *since = *at;
                    }
                }
                Event::Returned { what: Control::Pause, of, .. } => {
                    // A stop within `maxWait` ends it beside its last jobs.
                    let runs = running.get(of).is_some_and(|runs| !runs.is_empty());
                    if let Some(since) = calls.remove(of).filter(|_| !runs) {
                        self.judge_pause(*of, (since, *at), found);
                    }
                }
                _ => {}
            }
        }
    }

    /// `stop()` at the end settles soon, since nothing runs any more.
    pub(super) fn stop_time(&self, found: &mut Vec<String>) {
        let mut calls: BTreeMap<u32, u64> = BTreeMap::new();
        for Timed { at, event } in self.events.iter().filter(|timed| timed.at >= self.end.stopping) {
            match event {
                Event::Called { what: Control::Stop, of } => drop(calls.insert(*of, *at)),
                Event::Returned { what: Control::Stop, of, .. } => {
                    let Some(since) = calls.remove(of) else { continue };
                    let mut runs = self.runs.values().filter(|run| Self::process_of(run.consumer) == *of);
                    let runs_late = runs.any(|run| run.end.is_none_or(|(end, _)| end > since));
                    if *at > since + STOP && !runs_late {
                        found.push(format!("process {of}: stop() of {since} has settled at {at}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn judge_pause(&self, consumer: u32, (since, until): (u64, u64), found: &mut Vec<String>) {
        let process = Self::process_of(consumer);
        let mut at = since;
        while at + PAUSE < until.min(self.end.stopping) {
            if !self.disruptions.between(process, at.saturating_sub(PAUSE), at + PAUSE) {
                found.push(format!("consumer {consumer}: pause() has waited since {since}, until {until}"));
                return;
            }
            at += PAUSE / 4;
        }
    }
}
