//! Schedule of retention: a cycle over all streams at every interval, from `play()` until the consumer stops reading.

use std::sync::Weak;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::world::map::HashMap;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::retention::stream::{RetainedStream, StreamRetention};
use crate::engine::consumer::state::{ConsumerState, Phase};
use crate::engine::host::Failure;
use crate::engine::options::retention::RetentionOptions;
use crate::engine::runtime::backoff::jitter;

/// Number of intervals, of which a random part is added, between two attempts to get the lease of another consumer.
const ATTEMPT_INTERVALS: u32 = 3;
/// Maximum number of streams that are visited at a time. Their commands share the writes of a connection. So the leases of
/// thousands of streams are renewed in time.
const MOST_VISITS: usize = 64;

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

    /// Runs one cycle over all streams, several at a time. Returns the error of the last stream that has one.
    async fn retain_all(
        &self,
        known: &mut HashMap<usize, StreamRetention>,
        options: RetentionOptions,
    ) -> Option<RedisError> {
        let mut failed: Option<(usize, RedisError)> = None;
        let mut visits = JoinSet::new();
        let mut end = |known: &mut HashMap<usize, StreamRetention>,
                       ended: Option<Result<Visited, JoinError>>| {
            let Some(Ok((at, retention, error))) = ended else { return };
            known.insert(at, retention);
            if let Some(error) = error.filter(|_| failed.as_ref().is_none_or(|&(last, _)| last < at)) {
                failed = Some((at, error));
            }
        };
        let streams = self.lock().known();
        for at in 0..streams {
            if known.get(&at).is_some_and(StreamRetention::is_idle) {
                continue;
            }
            let Some((consumer, stream)) = self.this.upgrade().zip(self.retained_stream(at)) else { break };
            if visits.len() >= MOST_VISITS {
                end(known, visits.join_next().await);
            }
            let mut retention = known.remove(&at).unwrap_or_default();
            let visit = async move {
                let result = consumer.visit(&stream, &mut retention, options).await;
                (at, retention, result.err())
            };
            visits.spawn(self.node_set.context().tasks.counted(visit));
        }
        while !visits.is_empty() {
            end(known, visits.join_next().await);
        }
        failed.map(|(_, error)| error)
    }

    /// The stream at an index. `None` once the consumer does not play.
    fn retained_stream(&self, at: usize) -> Option<RetainedStream> {
        let state = self.lock();
        let stream = &state.streams[at];
        (state.phase == Phase::Playing).then(|| RetainedStream {
            lane: stream.lane,
            key: stream.key.clone(),
            name: stream.options.name.clone(),
        })
    }

    /// Runs the cycle of one stream. The stream of another consumer then rests for some intervals.
    async fn visit(
        &self,
        stream: &RetainedStream,
        retention: &mut StreamRetention,
        options: RetentionOptions,
    ) -> Result<(), RedisError> {
        if !self.retain(stream, retention, options).await? {
            let wait = options.interval() * ATTEMPT_INTERVALS;
            retention.idle_until = Some(Instant::now() + wait + wait.mul_f64(jitter()));
        }
        Ok(())
    }
}

/// Index of a stream with its retention after a visit, and the error of the visit.
type Visited = (usize, StreamRetention, Option<RedisError>);

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
