//! Delayed sends: their entries come once, not before their time, and not after a cancellation.

use std::collections::{BTreeMap, BTreeSet};

use super::summary::Summary;
use crate::history::{Event, Timed};
use crate::scenario::Scenario;

impl Summary<'_> {
    /// A delayed send is in the stream once, and not before its time, unless it was cancelled before.
    pub(super) fn delayed_sends(&self, found: &mut Vec<String>) {
        let (mut called, mut sent, mut cancelled) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for Timed { at, event } in self.events {
            match event {
                Event::Send { job, .. } => drop(called.insert(*job, *at)),
                Event::Sent { job, error: None } => drop(sent.insert(*job)),
                Event::Sent { job, error: Some(error) } if error.contains("runs no scripts") => {
                    found.push(format!("j{job}: the server does not know the script of its send"));
                }
                Event::Cancelled { job, is_removed: Some(true) } => drop(cancelled.insert(*job, *at)),
                _ => {}
            }
        }
        let port = Scenario::port(0);
        let is_flushed = self.flushed.contains_key(&port);
        let delayed = self.sends.iter().filter_map(|(job, send)| Some((*job, *send, send.delay()?)));
        for (job, send, delay) in delayed {
            let Some(&begun) = called.get(&job) else { continue };
            let entries = self.entries_of(job);
            for entry in entries {
                if entry.at < begun + delay && !self.disruptions.is_clock_set(port, entry.at) {
                    found.push(format!("j{job}: {} came at {} of {begun} and {delay}", entry.id, entry.at));
                }
                if cancelled.get(&job).is_some_and(|at| entry.at > *at) {
                    found.push(format!("j{job}: {} came at {} after cancel()", entry.id, entry.at));
                }
            }
            if entries.len() > 1 && !is_flushed {
                found.push(format!("j{job}: {} entries of a delayed send", entries.len()));
            }
            let is_open = sent.contains(&job) && !is_flushed && !cancelled.contains_key(&job);
            // A cancellation without a reply can have removed it.
            let may_be_removed = send.once.is_some_and(|once| once.cancelled.is_some());
            if entries.is_empty() && is_open && !may_be_removed {
                found.push(format!("j{job}: a delayed send without an entry"));
            }
            for entry in entries.iter().filter(|_| is_open) {
                self.must_start(job, entry, found);
            }
        }
    }
}
