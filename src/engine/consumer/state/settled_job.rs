//! One settled job, until Redis has confirmed all its steps. Pure.

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
    /// Query whether the entry is pending, after a transaction that lost its connection.
    pub pending_query: bool,
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
    /// True if the transaction, and its batch, has no other jobs.
    pub is_alone: bool,
    /// True if a transaction with others was refused for good, so that the next one has no other jobs.
    pub retries_alone: bool,
    /// Steps in place of a transaction that only removes. Redis without memory refuses every command within a transaction,
    /// and none of these commands outside one, apart from the record.
    pub steps_without_memory: Option<SettlementSteps>,
    /// True if it has failed: its entry will be delivered again, or its end is confirmed apart.
    pub has_failed: bool,
    /// True if payload keys are removed once all other steps are confirmed.
    pub removes_later: bool,
    /// Time of the next delivery, if it is delayed.
    pub due: Option<Instant>,
    /// True if Redis can have executed the steps before, without a reply.
    pub is_repeated: bool,
    /// Steps of the current batch.
    pub pending_steps: SettlementSteps,
    /// Steps that Redis refused for the moment.
    pub retry_steps: SettlementSteps,
    /// Error of a step that failed. In a box, since most jobs have none, and each is moved from list to list.
    pub error: Option<Box<RedisError>>,
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
            has_failed: false,
            removes_later: false,
            due,
            is_repeated: false,
            pending_steps,
            retry_steps,
            error,
        }
    }

    /// Notes a failed step. An error that lasts replaces one that passes.
    pub(super) fn note(&mut self, step: SettlementStep, error: &RedisError) {
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
        let is_once = is_transaction || matches!(step, SettlementStep::Delay(_));
        let passes = error.is_passing() || (is_once && is_cut(error));
        if passes {
            match step {
                SettlementStep::Delay(_) => self.retry_steps.delay = true,
                SettlementStep::Transaction(_) | SettlementStep::TransactionAlone(_) => {
                    self.retry_steps = self.steps_after(error);
                }
                SettlementStep::Record(_) => self.retry_steps.record = true,
                SettlementStep::Acknowledgement(_) => {
                    self.retry_steps.acknowledgement = true;
                    // A replica refuses the acknowledgement and publishes the completion, which producers can miss.
                    let is_replica = error.reply_code() == Some("READONLY");
                    self.retry_steps.completion |= self.pending_steps.completion && is_replica;
                }
                SettlementStep::Completion(_) => self.retry_steps.completion = true,
                SettlementStep::Removal(_) => self.retry_steps.removal = true,
                SettlementStep::PendingQuery(_) => self.retry_steps.pending_query = true,
            }
        }
        if !passes && matches!(step, SettlementStep::Completion(_)) {
            self.pending_steps.completion = false;
            self.retry_steps.completion = false;
        }
        if self.error.as_ref().is_none_or(|known| known.is_passing() && !passes) {
            self.error = Some(Box::new(error.clone()));
        }
    }

    /// Notes whether the entry is still pending after a transaction that lost its connection. One that is not was acknowledged
    /// by that transaction, or by a consumer that claimed the entry and ended the job. A query that Redis refuses for good,
    /// such as one of a user without the right to XPENDING, leads to the transaction too.
    pub(super) fn note_pending(&mut self, is_pending: Result<bool, RedisError>) {
        match is_pending {
            Ok(true) => self.retry_steps.transaction = true,
            Ok(false) => self.error = None,
            Err(error) if error.is_passing() || is_cut(&error) => self.retry_steps.pending_query = true,
            Err(error) if error.kind == RedisErrorKind::Reply => self.retry_steps.transaction = true,
            Err(error) => self.error = Some(Box::new(error)),
        }
    }

    /// Notes a failure of a transaction with other jobs. A refusal that lasts can be about another job, so this job is
    /// settled alone. Redis can have executed a transaction that failed for another reason.
    pub(super) fn note_shared(&mut self, step: SettlementStep, error: &RedisError) {
        let is_refusal = matches!(
            error.kind,
            RedisErrorKind::Reply | RedisErrorKind::QueueFull | RedisErrorKind::RequestTooLarge
        );
        let lasts = is_refusal && !error.is_passing();
        let is_first = self.error.is_none() && self.retry_steps.is_empty();
        if lasts && is_first && !self.is_untransacted {
            self.retries_alone = true;
            self.retry_steps.transaction = true;
            // The outcome if it cannot be sent again.
            self.error = Some(Box::new(error.clone()));
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
        if is_cut(error) && !self.is_untransacted {
            return SettlementSteps { pending_query: true, ..SettlementSteps::default() };
        }
        let again = SettlementSteps { transaction: true, ..SettlementSteps::default() };
        let is_full = error.reply_code() == Some("OOM");
        self.steps_without_memory.filter(|_| is_full).unwrap_or(again)
    }

    /// Makes the refused steps the pending ones.
    pub fn retry(&mut self) {
        self.is_repeated = true;
        self.pending_steps = std::mem::take(&mut self.retry_steps);
        let begins_alone = self.retries_alone && !self.is_alone;
        self.is_alone |= self.retries_alone;
        // The reply to the query decides about the error.
        let decides_later = self.pending_steps.pending_query;
        let passes = |error: &RedisError| !decides_later && (error.is_passing() || is_cut(error));
        self.error.take_if(|error| begins_alone || passes(error));
    }

    /// Makes the transaction the pending step in place of the query.
    pub fn skip_query(&mut self) {
        if std::mem::take(&mut self.pending_steps.pending_query) {
            (self.pending_steps.transaction, self.error) = (true, None);
        }
    }

    /// Returns true if the query has found the entry pending, so that Redis has not executed the transaction.
    fn repeats_now(&self) -> bool {
        self.pending_steps.pending_query && self.retry_steps.transaction
    }

    /// Returns true if its reply leads to another step at once.
    pub fn continues_now(&self) -> bool {
        self.removes_now() || self.repeats_now()
    }

    /// Makes that step the pending one.
    pub fn begin_next(&mut self) {
        match self.repeats_now() {
            true => self.retry(),
            false => self.begin_removal(),
        }
    }

    /// Ends it without that step, since the consumer was disconnected.
    pub fn give_up(&mut self) {
        let command = if self.removes_later { "DEL" } else { "EXEC" };
        self.error.get_or_insert_with(|| Box::new(RedisError::closed().of(command)));
    }

    /// Returns true if the other steps are confirmed, and payload keys are to be removed now.
    fn removes_now(&self) -> bool {
        self.removes_later && self.error.is_none() && self.retry_steps.is_empty()
    }

    /// Makes the removal the pending step.
    fn begin_removal(&mut self) {
        self.removes_later = false;
        self.pending_steps = SettlementSteps { removal: true, ..SettlementSteps::default() };
    }

    /// Size of its payload in bytes.
    pub fn size(&self) -> usize {
        self.failure.as_ref().map_or(0, |failure| failure.len())
            + self.changes.as_ref().map_or(0, |changes| changes.size())
    }
}

/// Returns true if a command lost its connection. The connection does not send it again, and Redis can have executed it. A
/// second run of a transaction would publish the completion again, and write values that the producer can have removed
/// meanwhile.
fn is_cut(error: &RedisError) -> bool {
    error.kind == RedisErrorKind::Dropped
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn dropped() -> RedisError {
        RedisError::local(RedisErrorKind::Dropped, "cut", &Arc::from("node"))
    }

    /// A job whose transaction was cut, and whose query is under way.
    fn asking() -> SettledJob {
        let pending_steps = SettlementSteps { transaction: true, ..SettlementSteps::default() };
        let mut job = SettledJob { pending_steps, ..SettledJob::new(JobToken::from_number(1.0), 0, 0) };
        job.note(SettlementStep::TransactionAlone(0), &dropped());
        job.retry();
        assert!(job.pending_steps.pending_query && job.error.is_some());
        job
    }

    #[test]
    fn a_cut_transaction_is_repeated_only_if_its_entry_is_pending() {
        let mut executed = asking();
        executed.note_pending(Ok(false));
        assert!(!executed.continues_now() && executed.retry_steps.is_empty() && executed.error.is_none());
        let refusal = RedisError::reply(b"NOPERM no", "XPENDING", &Arc::from("node"));
        for answer in [Ok(true), Err(refusal)] {
            let mut lost = asking();
            lost.note_pending(answer);
            assert!(lost.continues_now());
            lost.begin_next();
            assert!(lost.pending_steps.transaction && !lost.pending_steps.pending_query);
            assert_eq!(lost.error, None);
        }
    }

    #[test]
    fn a_delay_that_lost_its_connection_is_packed_again() {
        let mut job = SettledJob::new(JobToken::from_number(1.0), 0, 0);
        job.note(SettlementStep::Delay(0), &dropped());
        assert!(job.retry_steps.delay && !job.is_repeated);
        job.retry();
        assert!(job.pending_steps.delay && job.is_repeated && job.error.is_none());
    }

    #[test]
    fn a_query_without_a_reply_is_repeated_or_fails_the_settlement() {
        let busy = RedisError::reply(b"BUSY yes", "XPENDING", &Arc::from("node"));
        for error in [busy, dropped()] {
            let mut job = asking();
            job.note_pending(Err(error));
            assert!(!job.continues_now() && job.retry_steps.pending_query);
        }
        let mut job = asking();
        job.note_pending(Err(RedisError::closed()));
        assert!(!job.continues_now() && job.retry_steps.is_empty());
        assert_eq!(job.error.as_deref(), Some(&RedisError::closed()));
    }
}
