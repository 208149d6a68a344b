//! Settled jobs, until Redis has confirmed all their steps. Pure.

use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};

use crate::engine::consumer::state::payload_changes::PayloadChanges;
use crate::engine::host::RequestId;
use crate::engine::host::job_token::JobToken;
use crate::engine::protocol::reply_tag::{SettlementStep, TransactionGroup};

/// Set of the steps of a settlement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettlementSteps {
    /// Delay of the entry's next delivery.
    pub delay: bool,
    /// Changes of the payload together with record, acknowledgement and completion, in one transaction. These are not
    /// steps of their own then.
    pub transaction: bool,
    /// Outcome record.
    pub record: bool,
    /// Acknowledgement of the entry.
    pub acknowledgement: bool,
    /// Completion for the producer.
    pub completion: bool,
    /// Removals of payload keys, outside a transaction.
    pub removal: bool,
}

impl SettlementSteps {
    /// Returns true if there is no step.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A job that has ended.
#[derive(Debug)]
pub struct SettledJob {
    /// The job.
    pub token: JobToken,
    /// Its stream.
    pub stream: u32,
    /// Request that waits for Redis' reply; 0 for none.
    pub request: RequestId,
    /// Error as JSON, if the job failed and has a producer.
    pub failure: Option<Box<str>>,
    /// Answer for the completion, as `completion_message::pack_answer` packs it.
    pub answer: Box<str>,
    /// Changes of the payload, for a transaction.
    pub changes: Option<Box<PayloadChanges>>,
    /// True if the commands of the transaction ran by themselves, since the user has no right to MULTI.
    pub is_untransacted: bool,
    /// Group that the transaction of the current batch settles; `None` without one, or alone.
    pub group: Option<TransactionGroup>,
    /// True if the transaction has no other jobs.
    pub is_alone: bool,
    /// True if a transaction with others was refused for good, so that the next one has no other jobs.
    pub retries_alone: bool,
    /// Steps in place of a transaction that only removes. Redis without memory refuses every command within a transaction,
    /// and none of these commands outside one, apart from the record.
    pub steps_without_memory: Option<SettlementSteps>,
    /// True if payload keys are removed once all other steps are confirmed.
    pub removes_later: bool,
    /// Time of the next delivery, if it is delayed.
    pub due: Option<Instant>,
    /// Steps of the current batch.
    pub pending_steps: SettlementSteps,
    /// Steps that Redis refused for the moment.
    pub retry_steps: SettlementSteps,
    /// Error of a step that failed.
    pub error: Option<RedisError>,
}

impl SettledJob {
    /// Creates a job without steps.
    pub fn new(token: JobToken, stream: u32, request: RequestId) -> Self {
        let (pending_steps, retry_steps, answer) = Default::default();
        let (failure, changes, steps_without_memory, due, error) = (None, None, None, None, None);
        Self {
            token,
            stream,
            request,
            failure,
            answer,
            changes,
            is_untransacted: false,
            group: None,
            is_alone: false,
            retries_alone: false,
            steps_without_memory,
            removes_later: false,
            due,
            pending_steps,
            retry_steps,
            error,
        }
    }

    /// Notes a failed step. An error that lasts replaces one that passes.
    fn note(&mut self, step: SettlementStep, error: &RedisError) {
        let is_transaction =
            matches!(step, SettlementStep::Transaction(_) | SettlementStep::TransactionAlone(_));
        if is_transaction && self.is_untransacted && error.command == Some("EXEC") {
            // There was no transaction to end.
            return;
        }
        if is_transaction && self.error.is_some() {
            // The first refusal within a transaction is the reason for the others.
            return;
        }
        let passes = error.is_passing() || (is_transaction && is_cut(error));
        if passes {
            match step {
                SettlementStep::Delay(_) => self.retry_steps.delay = true,
                SettlementStep::Transaction(_) | SettlementStep::TransactionAlone(_) => {
                    self.retry_steps = self.steps_after(error);
                }
                SettlementStep::Record(_) => self.retry_steps.record = true,
                SettlementStep::Acknowledgement(_) => self.retry_steps.acknowledgement = true,
                SettlementStep::Completion(_) => self.retry_steps.completion = true,
                SettlementStep::Removal(_) => self.retry_steps.removal = true,
            }
        }
        if self.error.as_ref().is_none_or(|known| known.is_passing() && !passes) {
            self.error = Some(error.clone());
        }
    }

    /// Notes a refusal of a transaction with other jobs. One that lasts can be about another job, so this job is settled
    /// alone.
    fn note_shared(&mut self, step: SettlementStep, error: &RedisError) {
        let lasts = !error.is_passing() && !is_cut(error);
        let is_first = self.error.is_none() && self.retry_steps.is_empty();
        if lasts && is_first && !self.is_untransacted {
            self.retries_alone = true;
            self.retry_steps.transaction = true;
        } else if !self.retries_alone {
            self.note(step, error);
        }
    }

    /// Returns true if it is settled in a transaction with others.
    pub fn shares_transaction(&self) -> bool {
        self.pending_steps.transaction && !self.is_alone
    }

    /// Returns the steps that replace a transaction that Redis refused for the moment.
    fn steps_after(&self, error: &RedisError) -> SettlementSteps {
        let again = SettlementSteps { transaction: true, ..SettlementSteps::default() };
        let is_full = error.reply_code() == Some("OOM");
        self.steps_without_memory.filter(|_| is_full).unwrap_or(again)
    }

    /// Makes the refused steps the pending ones.
    pub fn retry(&mut self) {
        self.pending_steps = std::mem::take(&mut self.retry_steps);
        self.is_alone |= self.retries_alone;
        self.error.take_if(|error| error.is_passing() || is_cut(error));
    }

    /// Returns true if the other steps are confirmed, and payload keys are to be removed now.
    pub fn removes_now(&self) -> bool {
        self.removes_later && self.error.is_none() && self.retry_steps.is_empty()
    }

    /// Makes the removal the pending step.
    pub fn begin_removal(&mut self) {
        self.removes_later = false;
        self.pending_steps = SettlementSteps { removal: true, ..SettlementSteps::default() };
    }

    /// Size of its payload in bytes.
    pub fn size(&self) -> usize {
        self.failure.as_ref().map_or(0, |failure| failure.len())
            + self.changes.as_ref().map_or(0, |changes| changes.size())
    }
}

/// Returns true if a transaction lost its connection. The connection does not send it again, and Redis can have executed it. A
/// second run publishes the completion again, and writes values that the producer can have removed meanwhile.
fn is_cut(error: &RedisError) -> bool {
    error.kind == RedisErrorKind::Dropped
}

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
    fn only_steps_refused_for_the_moment_are_retried() {
        let mut batch = batch();
        batch.note(SettlementStep::Acknowledgement(0), &error(b"BUSY yes"));
        batch.note(SettlementStep::Completion(0), &error(b"NOPERM no"));
        let job = &mut batch.jobs[0];
        assert_eq!(job.error, Some(error(b"NOPERM no")), "what lasts says more");
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
