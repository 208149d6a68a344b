//! Order by key: the next job of a key starts after the one before it has ended for its group.

use std::collections::BTreeMap;

use super::ledger::What;
use super::summary::{Entry, Run, Summary};
use crate::groups::parse_entry_id;
use crate::history::{Event, Timed};

/// Jobs of a key with their entries.
type Jobs<'a> = Vec<(u32, &'a Entry)>;

impl Summary<'_> {
    /// A job of an ordered stream starts once all entries of its key in front of it are acknowledged or exhausted.
    pub(super) fn key_order(&self, found: &mut Vec<String>) {
        let mut of_key: BTreeMap<(u16, &str, u8), Jobs<'_>> = BTreeMap::new();
        for (job, entries) in &self.entries {
            let Some(key) = self.sends.get(job).and_then(|send| send.key) else { continue };
            for entry in entries.iter().filter(|entry| self.lease_of(&entry.stream).is_some()) {
                of_key.entry((entry.port, &entry.stream, key)).or_default().push((*job, entry));
            }
        }
        let exhausted = self.exhaustions();
        for run in self.runs.values() {
            // A job that is sent again is in the stream behind later ones.
            let [entry] = self.entries_of(run.job) else { continue };
            let Some(key) = self.sends.get(&run.job).and_then(|send| send.key) else { continue };
            let Some(all) = of_key.get(&(entry.port, &entry.stream, key)) else { continue };
            for (job, before) in
                all.iter().filter(|(_, one)| parse_entry_id(&one.id) < parse_entry_id(&entry.id))
            {
                if self.entries_of(*job).len() == 1
                    && !self.is_over_at(before, (run.group, *job), run.start, &exhausted)
                    && !self.has_last_run_ended((run.group, *job), run.start)
                    && !self.may_be_out_of_order(before, run)
                {
                    found.push(format!(
                        "at {} j{}: g{} starts {} before {} of j{job} has ended",
                        run.start, run.job, run.group, entry.id, before.id
                    ));
                }
            }
        }
    }

    /// First times at which jobs were exhausted, by group and job.
    fn exhaustions(&self) -> BTreeMap<(usize, u32), u64> {
        let mut exhausted = BTreeMap::new();
        for Timed { at, event } in self.events {
            if let Event::Exhausted { consumer, job, .. } = event {
                exhausted.entry((self.group_of(*consumer), *job)).or_insert(*at);
            }
        }
        exhausted
    }

    fn is_over_at(
        &self,
        entry: &Entry,
        (group, job): (usize, u32),
        at: u64,
        exhausted: &BTreeMap<(usize, u32), u64>,
    ) -> bool {
        let steps = self.ledger.steps(entry.port, &entry.stream, group, &entry.id);
        let is_acknowledged = steps.iter().any(|step| step.what == What::Acknowledged && step.at <= at);
        is_acknowledged || exhausted.get(&(group, job)).is_some_and(|over| *over <= at)
    }

    /// Returns true for a job at the retry limit of a group without dead letters. Its key goes on before its report, but not
    /// before the end of its last run.
    fn has_last_run_ended(&self, (group, job): (usize, u32), at: u64) -> bool {
        let mut runs = self.runs.values().filter(|run| (run.group, run.job) == (group, job));
        !self.scenario.groups[group].has_dead_letters
            && self.is_exhausted(group, job)
            && runs.all(|run| run.start < at && self.end_of(run) <= at)
    }

    /// Returns true if docs/scale.md allows that a run started before an entry in front of it had ended.
    fn may_be_out_of_order(&self, before: &Entry, run: &Run) -> bool {
        // A read of a consumer that was cut off can take an entry that nobody runs until its claim.
        let members = (0..self.scenario.processes.len())
            .filter(|at| self.scenario.processes[*at].consumers.iter().any(|one| one.group == run.group));
        let mut cut_off = members.map(|at| at as u32 + 1);
        self.is_another_group(before.port, &before.stream, run.group)
            || !self.is_kept(before.port, &before.stream, &before.id)
            || !before.groups.contains(&format!("hfxbus:csr:g{}", run.group))
            || cut_off.any(|process| self.disruptions.between(process, before.at, run.start))
    }
}
