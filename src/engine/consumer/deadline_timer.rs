//! Ends jobs at their deadlines. One timer per consumer, for the earliest deadline, and none without a deadline.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::settlement::Settlement;
use crate::engine::host::Event;
use crate::engine::host::job_token::JobToken;
use crate::engine::protocol::job_error::JobError;

/// Error code of a job that ended at its deadline.
pub const DEADLINE_TIMEOUT: &str = "DEADLINE_TIMEOUT";

impl Consumer {
    /// Spawns the task that ends jobs at their deadlines.
    pub(crate) fn spawn_deadline_task(&self) {
        self.node_set.context().tasks.spawn(watch(self.this.clone()));
    }

    /// Rejects the jobs that reached their deadline.
    fn expire(&self) {
        let expired: Vec<(JobToken, Duration)> = {
            let state = self.lock();
            let tokens = state.jobs.expired(Instant::now());
            let limit = |token| {
                let stream = state.jobs.job(token)?.stream;
                state.streams[stream as usize].options.deadline
            };
            tokens.into_iter().map(|token| (token, limit(token).unwrap_or_default())).collect()
        };
        if expired.is_empty() {
            return;
        }
        let host = &self.node_set.context().host;
        let mut errors = Vec::with_capacity(expired.len());
        for (token, limit) in expired {
            host.event(Event::DeadlinePassed { consumer: self.number, token });
            errors.push((token, error_json(limit)));
        }
        let settlements = errors
            .iter()
            .map(|(token, error)| Settlement { expired: true, ..Settlement::of(*token, Some(error)) });
        self.settle(settlements);
        host.wake();
    }
}

/// Waits for the earliest deadline as long as there is one. The task holds the consumer during the check only.
async fn watch(consumer: Weak<Consumer>) {
    loop {
        let Some(strong) = consumer.upgrade() else { return };
        strong.expire();
        let (target, timer) = {
            let mut state = strong.lock();
            state.timer = state.jobs.next_deadline();
            let Some(target) = state.timer else { return };
            (target, strong.timer.clone())
        };
        drop(strong);
        tokio::select! {
            biased;
            () = timer.notified() => {}
            () = tokio::time::sleep_until(target) => {}
        }
    }
}

/// Builds the error in the form of 2.x.
fn error_json(limit: Duration) -> String {
    let message = format!("The job was running for too long ({}ms)", limit.as_millis());
    JobError::new(DEADLINE_TIMEOUT, &message).with_stack().to_json()
}
