//! Ending: promises that settle, and nothing that is left.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::Summary;
use crate::history::{Control, End, Event, Timed};

impl Summary<'_> {
    /// Every promise of a process that was not killed settles.
    pub(super) fn promises(&self, found: &mut Vec<String>) {
        let mut sends: BTreeMap<u32, u32> = BTreeMap::new();
        let mut waits: BTreeSet<u32> = BTreeSet::new();
        let mut settlements: BTreeSet<u32> = BTreeSet::new();
        let mut calls: BTreeMap<(u8, u32), i32> = BTreeMap::new();
        for Timed { event, .. } in self.events {
            match event {
                Event::Send { job, process } => drop(sends.insert(*job, *process)),
                Event::Sent { job, error } => {
                    let process = sends.remove(job).unwrap_or(0);
                    let is_awaited = self.sends.get(job).is_some_and(|send| !send.waits_for.is_empty());
                    if error.is_none() && is_awaited && !self.killed.contains_key(&process) {
                        waits.insert(*job);
                    }
                }
                Event::End { run, how: End::Success | End::Failure } => drop(settlements.insert(*run)),
                Event::Settled { run, .. } => drop(settlements.remove(run)),
                Event::Called { what, of } => *calls.entry((*what as u8, *of)).or_default() += 1,
                Event::Returned { what, of, .. } => *calls.entry((*what as u8, *of)).or_default() -= 1,
                _ => {}
            }
        }
        for Timed { event, .. } in self.events {
            if let Event::Finished { job } | Event::Abandoned { job } = event {
                waits.remove(job);
            }
        }
        let lives = |process: u32| !self.killed.contains_key(&process);
        sends.retain(|_, process| lives(*process));
        settlements.retain(|run| lives(Self::process_of(self.runs[run].consumer)));
        calls.retain(|(what, of), count| {
            let process = if *what == Control::Stop as u8 { *of } else { Self::process_of(*of) };
            *count != 0 && lives(process)
        });
        for (what, left) in [
            ("sends", format!("{sends:?}")),
            ("waits", format!("{waits:?}")),
            ("settlements", format!("{settlements:?}")),
            ("calls", format!("{calls:?}")),
        ] {
            if !matches!(left.as_str(), "{}") {
                found.push(format!("{what} without an end: {left}"));
            }
        }
    }

    /// Every entry ends, and nothing is left after the stop.
    pub(super) fn leftovers(&self, found: &mut Vec<String>) {
        found.extend(self.end.unsettled.iter().map(|text| format!("without an end: {text}")));
        found.extend(self.end.leftovers.iter().cloned());
    }
}
