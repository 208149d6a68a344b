//! Schedule of retention: a cycle over all streams at every interval, from `play()` until the consumer stops reading.

use std::sync::Weak;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::retention::cycle::{RetainedStream, StreamRetention};
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::host::Failure;
use crate::engine::options::retention::RetentionOptions;
use crate::engine::runtime::backoff::jitter;

/// Number of intervals, of which a random part is added, between two attempts to get the lease of another consumer.
const ATTEMPT_INTERVALS: u32 = 3;

impl Consumer {
    /// Starts the retention task, if the bus has retention. It ends when the sender in the state is dropped.
    pub(crate) fn start_retention(&self, state: &mut ConsumerState) {
        let Some(options) = self.node_set.retention() else { return };
        if state.retainer.is_none() {
            let (ending, ended) = oneshot::channel();
            state.retainer = Some(ending);
            self.node_set.context().tasks.spawn(keep_retaining(self.this.clone(), options, ended));
        }
    }

    /// Runs one cycle over all streams. Returns the last error.
    async fn retain_all(
        &self,
        known: &mut HashMap<usize, StreamRetention>,
        options: RetentionOptions,
    ) -> Option<RedisError> {
        let mut failed = None;
        let streams = self.lock().known();
        for at in 0..streams {
            let stream = {
                let state = self.lock();
                if state.phase != Phase::Playing {
                    return None;
                }
                let stream = &state.streams[at];
                RetainedStream {
                    lane: stream.lane,
                    key: stream.key.clone(),
                    name: stream.options.name.clone(),
                }
            };
            let retention = known.entry(at).or_default();
            if retention.idle_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            match self.retain(&stream, retention, options).await {
                Ok(true) => {}
                Ok(false) => {
                    let wait = options.interval() * ATTEMPT_INTERVALS;
                    retention.idle_until = Some(Instant::now() + wait + wait.mul_f64(jitter()));
                }
                Err(error) => failed = Some(error),
            }
        }
        failed
    }
}

/// Runs a cycle at every interval. Holds the consumer during a cycle only.
async fn keep_retaining(
    consumer: Weak<Consumer>,
    options: RetentionOptions,
    mut ended: oneshot::Receiver<()>,
) {
    let mut known = HashMap::default();
    let mut reported = None;
    loop {
        tokio::select! {
            biased;
            _ = &mut ended => return,
            () = tokio::time::sleep(options.interval()) => {}
        }
        let Some(consumer) = consumer.upgrade() else { return };
        let failed = consumer.retain_all(&mut known, options).await;
        let failure = failed.as_ref().map(|error| format!("{:?} {:?}", error.kind, error.reply_code()));
        if let Some(error) = failed.filter(|error| !is_of_connection(error) && failure != reported) {
            consumer.report_error(Failure::Consume, &error);
        }
        reported = failure;
    }
}

/// Returns true for an error that the reads report.
fn is_of_connection(error: &RedisError) -> bool {
    matches!(error.kind, RedisErrorKind::Closed | RedisErrorKind::MaxRetries | RedisErrorKind::Dropped)
}
