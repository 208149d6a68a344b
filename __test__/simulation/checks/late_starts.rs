//! Jobs that busy JavaScript begins long after the engine has handed them over.

use super::ledger::What;
use super::summary::{Entry, Run, Summary};

impl Summary<'_> {
    /// Returns true if the engine handed a job over while its entry belonged to the consumer, and another consumer claimed the
    /// entry before JavaScript began the job. The engine cannot take such a job back, so it counts as one that runs. The claim
    /// needs the same excuse as that of a running job.
    pub(super) fn is_begun_late(&self, entry: &Entry, run: &Run, deadline: u64) -> bool {
        let steps = self.ledger.steps(entry.port, &entry.stream, run.group, &entry.id);
        let is_held = |what: What| what.owner() == Some(run.consumer);
        let Some(held) = steps.iter().rposition(|step| step.at <= run.handed && is_held(step.what)) else {
            return false;
        };
        let Some(taken) = steps[held..].iter().find(|step| !is_held(step.what)) else { return false };
        let process = Self::process_of(run.consumer);
        (run.handed..run.start).contains(&taken.at)
            && self.disruptions.excuse(process, entry.port, (steps[held].at, taken.at), deadline)
    }
}
