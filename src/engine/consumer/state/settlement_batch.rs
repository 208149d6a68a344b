//! Settlements of one write, until Redis has confirmed all their steps. Pure.

use crate::redis_io::error::RedisError;

use crate::engine::consumer::state::settled_job::SettledJob;
use crate::engine::protocol::reply_tag::{SettlementStep, TransactionGroup};

/// Settlements that left in one write to each of their nodes.
#[derive(Debug)]
pub struct SettlementBatch {
    /// Its number.
    pub number: u32,
    /// Number of nodes without a last reply.
    pub unanswered: usize,
    /// Its jobs.
    pub jobs: Vec<SettledJob>,
}

impl SettlementBatch {
    /// Notes that the commands of a transaction ran by themselves.
    pub fn note_untransacted(&mut self, step: SettlementStep) {
        match step {
            SettlementStep::Transaction(group) => {
                self.group_mut(group).for_each(|job| job.is_untransacted = true);
            }
            SettlementStep::TransactionAlone(at) => {
                self.jobs.get_mut(at).into_iter().for_each(|job| job.is_untransacted = true);
            }
            _ => {}
        }
    }

    /// Notes whether the entry of a job is still pending, or the reason why Redis did not say.
    pub fn note_pending(&mut self, at: usize, is_pending: Result<bool, RedisError>) {
        if let Some(job) = self.jobs.get_mut(at) {
            job.note_pending(is_pending);
        }
    }

    /// The jobs of a group.
    fn group_mut(&mut self, group: TransactionGroup) -> impl Iterator<Item = &mut SettledJob> {
        self.jobs.iter_mut().filter(move |job| job.group == Some(group))
    }

    /// Notes a failed step.
    pub fn note(&mut self, step: SettlementStep, error: &RedisError) {
        let at = match step {
            SettlementStep::Transaction(group) => {
                let is_only = self.group_mut(group).count() == 1;
                return self.group_mut(group).for_each(|job| match is_only {
                    true => job.note(step, error),
                    false => job.note_shared(step, error),
                });
            }
            SettlementStep::Acknowledgement(stream) => {
                let concerned =
                    |job: &&mut SettledJob| job.pending_steps.acknowledgement && job.stream == stream;
                return self.jobs.iter_mut().filter(concerned).for_each(|job| job.note(step, error));
            }
            SettlementStep::Delay(at)
            | SettlementStep::PendingQuery(at)
            | SettlementStep::TransactionAlone(at)
            | SettlementStep::Record(at)
            | SettlementStep::Completion(at)
            | SettlementStep::Removal(at) => at,
        };
        if let Some(job) = self.jobs.get_mut(at) {
            job.note(step, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::consumer::state::settled_job::SettlementSteps;
    use crate::engine::host::job_token::JobToken;

    fn error(text: &[u8]) -> RedisError {
        RedisError::reply(text, "XACK", &Arc::from("node"))
    }

    fn batch() -> SettlementBatch {
        let job = |stream| {
            let pending_steps =
                SettlementSteps { acknowledgement: true, completion: true, ..SettlementSteps::default() };
            SettledJob { pending_steps, ..SettledJob::new(JobToken::from_number(1.0), stream, 0) }
        };
        SettlementBatch { number: 1, unanswered: 1, jobs: vec![job(0), job(1), job(0)] }
    }

    #[test]
    fn an_acknowledgement_is_for_all_jobs_of_its_stream_and_other_steps_for_one() {
        let mut batch = batch();
        batch.note(SettlementStep::Acknowledgement(0), &error(b"BUSY yes"));
        batch.note(SettlementStep::Completion(1), &error(b"BUSY yes"));
        let retry_steps: Vec<(bool, bool)> = batch
            .jobs
            .iter()
            .map(|job| (job.retry_steps.acknowledgement, job.retry_steps.completion))
            .collect();
        assert_eq!(retry_steps, [(true, false), (false, true), (true, false)]);
        batch.note(SettlementStep::Completion(7), &error(b"BUSY yes"));
    }

    #[test]
    fn a_completion_that_a_replica_has_published_is_sent_again_with_the_acknowledgement() {
        let retried = |batch: &SettlementBatch| {
            let steps = batch.jobs[0].retry_steps;
            (steps.acknowledgement, steps.completion)
        };
        let mut on_replica = batch();
        on_replica.note(SettlementStep::Acknowledgement(0), &error(b"READONLY no"));
        assert_eq!(retried(&on_replica), (true, true));
        let mut refused_for_good = batch();
        refused_for_good.note(SettlementStep::Acknowledgement(0), &error(b"READONLY no"));
        refused_for_good.note(SettlementStep::Completion(0), &error(b"NOPERM no"));
        assert_eq!(retried(&refused_for_good), (true, false));
    }

    #[test]
    fn only_steps_refused_for_the_moment_are_retried() {
        let mut batch = batch();
        batch.note(SettlementStep::Acknowledgement(0), &error(b"BUSY yes"));
        batch.note(SettlementStep::Completion(0), &error(b"NOPERM no"));
        let job = &mut batch.jobs[0];
        assert_eq!(job.error.as_deref(), Some(&error(b"NOPERM no")), "what lasts says more");
        job.retry();
        assert_eq!(
            job.pending_steps,
            SettlementSteps { acknowledgement: true, ..SettlementSteps::default() }
        );
        assert!(job.retry_steps.is_empty() && job.error.is_some());
        let job = &mut batch.jobs[2];
        job.retry();
        assert_eq!(job.error, None);
    }
}
