//! Jobs whose end Redis could not be told. Where a right is missing that is every job, so only the first ones of a
//! second are reported one by one; the others are as a number.

use std::time::Instant;

use crate::redis_io::error::RedisError;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::report_limit::FailureReport;
use crate::engine::host::Failure;
use crate::engine::host::job_token::JobToken;

impl Consumer {
    /// Redis could not be told how a job ended, and nobody waits to hear of that.
    pub(crate) fn report_failure(&self, token: JobToken, error: &RedisError) {
        let report = self.report_limit.lock().note(Instant::now(), error);
        match report {
            FailureReport::Now => self.complain(Failure::Settle(token), error),
            FailureReport::With => {}
            FailureReport::First(end) => {
                let this = self.this.clone();
                self.node_set.context().tasks.spawn(async move {
                    tokio::time::sleep_until(end.into()).await;
                    let Some(consumer) = this.upgrade() else { return };
                    let (count, last) = consumer.report_limit.lock().close();
                    if let Some(error) = last {
                        consumer.complain(Failure::Unsettled(count), &error);
                    }
                });
            }
        }
    }
}
