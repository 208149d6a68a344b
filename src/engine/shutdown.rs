//! Stop of a bus in order: first the reads, then the jobs in flight, then the connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::engine::bus::Bus;
use crate::engine::consumer::Consumer;

/// Maximum time of QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time of a consumer's last commands to its group.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum time without progress once all jobs have ended and only replies from Redis are outstanding.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two checks of that progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Options of a stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct StopOptions {
    /// Close at once, with jobs in flight or not.
    pub force: bool,
    /// Maximum wait for jobs in flight. `None` is no limit for jobs, but Redis must make progress.
    pub max_wait: Option<Duration>,
}

impl Bus {
    /// Stops reading, waits for the jobs in flight and closes every connection. The bus can be used again
    /// afterwards.
    pub async fn stop(self: Arc<Self>, stop: StopOptions) {
        let consumers = self.consumers();
        let drained = !stop.force && self.drain(&consumers, stop.max_wait).await;
        if !stop.force {
            if !drained {
                consumers.iter().for_each(|consumer| consumer.begin_hand_back());
            }
            let mut departures = JoinSet::new();
            for consumer in &consumers {
                let consumer = consumer.clone();
                let leaving = timeout(LEAVE_TIMEOUT, async move {
                    consumer.release_partitions().await;
                    match drained {
                        // An entry that stays in the group does no harm.
                        true => consumer.remove_from_group().await,
                        // Other consumers claim later the entries that are not handed back by then.
                        false => consumer.hand_back().await,
                    }
                });
                departures.spawn(self.context().tasks.counted(leaving));
            }
            departures.join_all().await;
        }
        for consumer in &consumers {
            consumer.disconnect();
        }
        for producer in self.producers() {
            producer.reset();
        }
        self.node_set().begin_closing();
        self.close(if drained { QUIT_TIMEOUT } else { Duration::ZERO }).await;
        self.context().host.wake();
    }

    /// Pauses consumers and waits until they are idle, for `most` at most. Without `most` the wait ends once Redis
    /// makes no progress. Returns true if they are idle.
    async fn drain(&self, consumers: &[Arc<Consumer>], most: Option<Duration>) -> bool {
        for consumer in consumers {
            consumer.begin_pause();
        }
        let pauses = async {
            for consumer in consumers {
                consumer.clone().pause().await;
            }
        };
        if let Some(most) = most {
            return timeout(most, pauses).await.is_ok();
        }
        tokio::select! {
            biased;
            () = pauses => true,
            () = progress_stops(consumers) => false,
        }
    }

    async fn close(&self, bound: Duration) {
        let tasks = &self.context().tasks;
        let mut closings = JoinSet::new();
        for client in self.clients() {
            closings.spawn(tasks.counted(async move { client.quit(bound).await }));
        }
        for node in self.nodes() {
            let node = node.clone();
            closings.spawn(tasks.counted(async move { node.quit(bound).await }));
        }
        closings.join_all().await;
    }
}

/// Resolves once only replies from Redis are outstanding and none came for [`PROGRESS_TIMEOUT`].
async fn progress_stops(consumers: &[Arc<Consumer>]) {
    let mut since: Option<(Instant, usize)> = None;
    loop {
        let count = unconfirmed_count(consumers);
        match (count, since) {
            (None, _) => since = None,
            (Some(count), Some((at, before))) if count == before => {
                if at.elapsed() >= PROGRESS_TIMEOUT {
                    return;
                }
            }
            (Some(count), _) => since = Some((Instant::now(), count)),
        }
        tokio::time::sleep(PROGRESS_INTERVAL).await;
    }
}

/// Number of unconfirmed operations, or `None` while jobs are still running.
fn unconfirmed_count(consumers: &[Arc<Consumer>]) -> Option<usize> {
    consumers.iter().map(|consumer| consumer.lock().unconfirmed_count()).sum()
}
