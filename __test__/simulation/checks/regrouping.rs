//! Groups that were destroyed: entries that they had not read are read by the group that follows.

use std::collections::BTreeSet;

use super::ledger::What;
use super::summary::{Entry, Summary};

impl Summary<'_> {
    /// An entry that no consumer got before its group was destroyed, or before the stream was new, begins afterwards.
    pub(super) fn regrouping(&self, found: &mut Vec<String>) {
        let started: BTreeSet<(usize, u32)> = self.runs.values().map(|run| (run.group, run.job)).collect();
        for (job, entry) in self.entries.iter().flat_map(|(job, all)| all.iter().map(move |one| (job, one))) {
            for group in 0..self.scenario.groups.len() {
                let is_over = self.is_exhausted(group, *job);
                if !started.contains(&(group, *job)) && !is_over && self.must_begin(entry, group) {
                    found.push(format!("j{job}: g{group} has never started {}, and was destroyed", entry.id));
                }
            }
        }
    }

    /// Returns true if the group that reads an entry has existed, and has not lost it with its pending entries.
    fn must_begin(&self, entry: &Entry, group: usize) -> bool {
        let key = (entry.port, entry.stream.clone(), format!("hfxbus:csr:g{group}"));
        let Some(times) = self.destroyed.get(&key).or_else(|| self.flushed.get(&entry.port)) else {
            return false;
        };
        // A failover undoes deliveries, and groups that were made or destroyed.
        if self.is_moved(entry.port, &entry.stream, group) || self.is_rewound(entry, 0, u64::MAX) {
            return false;
        }
        let place = (entry.port, entry.stream.clone(), entry.id.clone());
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let delivered = steps.iter().find(|step| matches!(step.what, What::Delivered(_))).map(|step| step.at);
        let is_flushed = self.flushed.get(&entry.port).into_iter().flatten().any(|at| *at >= entry.at);
        let is_lost = times.iter().any(|at| delivered.is_some_and(|delivered| delivered <= *at));
        self.end.present.contains(&place) && !is_flushed && !is_lost
    }
}
