//! Jobs that have ended, until Redis has been told all of it. Pure.

use std::time::Instant;

use crate::redis_io::error::RedisError;

use crate::engine::host::RequestId;
use crate::engine::host::job_token::JobToken;
use crate::engine::protocol::reply_tag::SettlementStep;

/// What there is to tell of a job's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettlementSteps {
    /// When its entry is due again, to the group.
    pub delay: bool,
    /// How it ended, to a record.
    pub record: bool,
    /// That its entry is done with, to the group.
    pub acknowledgement: bool,
    /// How it ended, to its producer.
    pub completion: bool,
}

impl SettlementSteps {
    /// Whether there is nothing to tell.
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
    /// Who waits for Redis' reply; 0 is nobody.
    pub request: RequestId,
    /// How it failed, as JSON, if it did and somebody is told.
    pub failure: Option<Box<str>>,
    /// When it is due again, if it is to wait.
    pub due: Option<Instant>,
    /// What Redis is told in this batch.
    pub pending_steps: SettlementSteps,
    /// What of that it was too busy to hear.
    pub retry_steps: SettlementSteps,
    /// What went wrong in telling Redis.
    pub error: Option<RedisError>,
}

impl SettledJob {
    /// A job of which Redis is told nothing.
    pub fn new(token: JobToken, stream: u32, request: RequestId) -> Self {
        let (pending_steps, retry_steps) = Default::default();
        Self { token, stream, request, failure: None, due: None, pending_steps, retry_steps, error: None }
    }

    /// Something could not be told. An error that lasts says more than one that passes.
    fn note(&mut self, step: SettlementStep, error: &RedisError) {
        let passes = error.is_passing();
        if passes {
            match step {
                SettlementStep::Delay(_) => self.retry_steps.delay = true,
                SettlementStep::Record(_) => self.retry_steps.record = true,
                SettlementStep::Acknowledgement(_) => self.retry_steps.acknowledgement = true,
                SettlementStep::Completion(_) => self.retry_steps.completion = true,
            }
        }
        if self.error.as_ref().is_none_or(|known| known.is_passing() && !passes) {
            self.error = Some(error.clone());
        }
    }

    /// Has what Redis was too busy to hear told again.
    pub fn retry(&mut self) {
        self.pending_steps = std::mem::take(&mut self.retry_steps);
        self.error.take_if(|error| error.is_passing());
    }

    /// How many bytes it keeps.
    pub fn size(&self) -> usize {
        self.failure.as_ref().map_or(0, |failure| failure.len())
    }
}

/// Settlements that left in one write to each node concerned.
#[derive(Debug)]
pub struct SettlementBatch {
    /// Its number.
    pub number: u32,
    /// How many nodes have not given their last reply yet.
    pub unanswered: usize,
    /// Its jobs.
    pub jobs: Vec<SettledJob>,
}

impl SettlementBatch {
    /// Redis could not be told a part.
    pub fn note(&mut self, step: SettlementStep, error: &RedisError) {
        let at = match step {
            SettlementStep::Acknowledgement(stream) => {
                let concerned =
                    |job: &&mut SettledJob| job.pending_steps.acknowledgement && job.stream == stream;
                return self.jobs.iter_mut().filter(concerned).for_each(|job| job.note(step, error));
            }
            SettlementStep::Delay(at) | SettlementStep::Record(at) | SettlementStep::Completion(at) => at,
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
    fn an_acknowledgement_is_of_all_jobs_of_its_stream_and_anything_else_of_one() {
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
    fn only_what_was_refused_for_a_while_is_told_again() {
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
