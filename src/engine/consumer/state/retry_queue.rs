//! Settlements that Redis refused for the moment, until they are sent again. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::redis_io::error::RedisError;
use crate::redis_io::options::QueueLimit;

use crate::engine::consumer::state::settled_job::{SettledJob, SettlementSteps};
use crate::engine::host::job_token::JobToken;
use crate::engine::runtime::backoff::Backoff;

/// Maximum number of jobs in one round, since Redis can still refuse.
const ROUND_SIZE: usize = 256;

/// Queue of settlement retries.
#[derive(Debug, Default)]
pub struct RetryQueue {
    waiting: VecDeque<SettledJob>,
    /// Size of the queue in bytes.
    size: usize,
    /// Batch of the round under way.
    round: Option<u32>,
    /// True while the next round is scheduled.
    is_due: bool,
    backoff: Backoff,
    /// True once a lasting refusal was reported.
    is_reported: bool,
}

impl RetryQueue {
    /// Queues a job, or returns it if the queue is full.
    pub(crate) fn keep(&mut self, job: SettledJob, limit: QueueLimit) -> Option<SettledJob> {
        let fits = self.waiting.len() < limit.commands && self.size + job.size() <= limit.bytes;
        if !fits && !self.waiting.is_empty() {
            return Some(job);
        }
        self.size += job.size();
        self.waiting.push_back(job);
        None
    }

    /// Takes the jobs of the next round, and the error to report of a refusal that lasts.
    pub(crate) fn begin_round(&mut self) -> (Vec<SettledJob>, Option<RedisError>) {
        self.is_due = false;
        let mut jobs = self.take_round();
        let lasting = self.report(&jobs);
        jobs.iter_mut().for_each(SettledJob::retry);
        (jobs, lasting)
    }

    /// Notes the batch of the round under way.
    pub(crate) fn start_round(&mut self, batch: Option<u32>) {
        self.round = batch;
    }

    fn take_round(&mut self) -> Vec<SettledJob> {
        let count = self.waiting.len().min(ROUND_SIZE);
        let jobs: Vec<SettledJob> = self.waiting.drain(..count).collect();
        self.size -= jobs.iter().map(SettledJob::size).sum::<usize>();
        jobs
    }

    /// Gives everything up.
    pub fn take_all(&mut self) -> Vec<SettledJob> {
        self.size = 0;
        self.waiting.drain(..).collect()
    }

    /// Returns the jobs with an outstanding acknowledgement.
    pub fn unacknowledged(&self) -> impl Iterator<Item = JobToken> {
        let is_unacknowledged =
            |steps: SettlementSteps| steps.acknowledgement || steps.transaction || steps.pending_query;
        self.waiting.iter().filter(move |job| is_unacknowledged(job.retry_steps)).map(|job| job.token)
    }

    /// Notes the result of an answered batch. Returns true if it was the round under way.
    pub(crate) fn note(&mut self, batch: u32, went_well: bool) -> bool {
        let is_round = self.round == Some(batch);
        if is_round {
            self.round = None;
            if went_well {
                self.backoff.reset();
                self.is_reported = false;
            }
        }
        is_round
    }

    /// Returns the time until the next round, if one is needed and none is scheduled.
    pub(crate) fn schedule(&mut self, at_once: bool) -> Option<Duration> {
        if self.waiting.is_empty() || self.round.is_some() || self.is_due {
            return None;
        }
        self.is_due = true;
        Some(if at_once { Duration::ZERO } else { self.backoff.next_wait() })
    }

    /// Returns the error of a lasting refusal, once.
    fn report(&mut self, jobs: &[SettledJob]) -> Option<RedisError> {
        if self.is_reported || !self.backoff.is_lasting() {
            return None;
        }
        let error = jobs.iter().find_map(|job| job.error.as_deref().cloned());
        self.is_reported = error.is_some();
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(failure: &str) -> SettledJob {
        SettledJob { failure: Some(failure.into()), ..SettledJob::new(JobToken::from_number(1.0), 0, 0) }
    }

    #[test]
    fn the_queue_holds_jobs_up_to_its_limit() {
        let mut retry_queue = RetryQueue::default();
        let limit = QueueLimit { commands: 3, bytes: 10 };
        assert!(retry_queue.keep(job("longer than that"), limit).is_none(), "one always may");
        assert!(retry_queue.keep(job("x"), limit).is_some());
        retry_queue.take_round();
        assert_eq!(retry_queue.size, 0);
        for _ in 0..3 {
            assert!(retry_queue.keep(job("x"), limit).is_none());
        }
        assert!(retry_queue.keep(job(""), limit).is_some());
        assert_eq!(retry_queue.take_all().len(), 3);
        assert_eq!(retry_queue.size, 0);
    }

    #[test]
    fn rounds_follow_at_once_after_a_success_and_back_off_after_a_failure() {
        let mut retry_queue = RetryQueue::default();
        let limit = QueueLimit { commands: 2 * ROUND_SIZE, bytes: 10 };
        for _ in 0..2 * ROUND_SIZE {
            assert!(retry_queue.keep(job(""), limit).is_none());
        }
        let first = retry_queue.schedule(false).expect("to begin");
        assert_eq!(retry_queue.schedule(false), None, "it is about to begin");
        let begin = |retry_queue: &mut RetryQueue, number| {
            (retry_queue.is_due, retry_queue.round) = (false, Some(number));
            retry_queue.take_round()
        };
        assert_eq!(begin(&mut retry_queue, 7).len(), ROUND_SIZE);
        assert_eq!(retry_queue.schedule(false), None, "it is under way");
        assert!(!retry_queue.note(6, true) && retry_queue.note(7, false));
        let second = retry_queue.schedule(false).expect("to begin");
        assert!(second > first);
        assert_eq!(begin(&mut retry_queue, 8).len(), ROUND_SIZE);
        assert!(retry_queue.note(8, true));
        assert_eq!(retry_queue.schedule(true), None, "nothing is left");
        assert!(retry_queue.keep(job(""), limit).is_none());
        assert_eq!(retry_queue.schedule(true), Some(Duration::ZERO));
    }
}
