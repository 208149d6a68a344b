//! Reports of settlements that failed. With a missing right every settlement fails, so only the first ones of a
//! second are reported one by one, and the others as a count.

use tokio::time::Instant;

use crate::redis_io::error::RedisError;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::report_limit::FailureReport;
use crate::engine::host::Failure;
use crate::engine::host::job_token::JobToken;

impl Consumer {
    /// Reports a failed settlement that no request waits for.
    pub(crate) fn report_failure(&self, token: JobToken, error: &RedisError) {
        let report = self.report_limit.lock().note(Instant::now(), error);
        match report {
            FailureReport::Now => self.report_error(Failure::Settle(token), error),
            FailureReport::With => {}
            FailureReport::First(end) => {
                let this = self.this.clone();
                self.node_set.context().tasks.spawn(async move {
                    tokio::time::sleep_until(end).await;
                    let Some(consumer) = this.upgrade() else { return };
                    let (count, last) = consumer.report_limit.lock().close();
                    if let Some(error) = last {
                        consumer.report_error(Failure::Unsettled(count), &error);
                    }
                });
            }
        }
    }
}
