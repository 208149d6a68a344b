//! Ends things in order: first what comes in, then what is in flight, then the connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::engine::bus::Bus;
use crate::engine::consumer::Consumer;

/// How long a connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long the last words of a consumer to its group may take.
const LEAVING: Duration = Duration::from_secs(1);

/// Maximum time without progress once all jobs have ended and only replies from Redis are outstanding.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at that progress.
const LOOK: Duration = Duration::from_millis(100);

/// How a bus is stopped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stop {
    /// Close at once, whatever is in flight.
    pub force: bool,
    /// The longest wait for jobs in flight; `None` waits for as long as they take, but not for Redis.
    pub max_wait: Option<Duration>,
}

impl Bus {
    /// Stops reading, waits for the jobs in flight, closes every connection. The bus can be used again after.
    pub async fn stop(self: Arc<Self>, stop: Stop) {
        let consumers = self.consumers();
        let drained = !stop.force && self.drain(&consumers, stop.max_wait).await;
        if !stop.force {
            let mut final_commands = JoinSet::new();
            for consumer in &consumers {
                let consumer = consumer.clone();
                let leaving = timeout(LEAVING, async move {
                    match drained {
                        // An entry that is left behind in the group does no harm.
                        true => consumer.leave().await,
                        // Whoever does not get them back by then claims them later.
                        false => consumer.hand_back().await,
                    }
                });
                final_commands.spawn(self.context().tasks.counted(leaving));
            }
            final_commands.join_all().await;
        }
        for consumer in &consumers {
            consumer.cut_off();
        }
        for producer in self.producers() {
            producer.reset();
        }
        self.node_set().begin_closing();
        self.close(if drained { GOODBYE } else { Duration::ZERO }).await;
        self.context().host.wake();
    }

    /// Pauses consumers and waits until they are idle, for `most` at most. Without `most` the wait ends once Redis makes no
    /// progress. Returns whether they are idle.
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
            () = redis_is_silent(consumers) => false,
        }
    }

    async fn close(&self, bound: Duration) {
        let tasks = &self.context().tasks;
        let mut goodbyes = JoinSet::new();
        for client in self.clients() {
            goodbyes.spawn(tasks.counted(async move { client.quit(bound).await }));
        }
        for node in self.nodes() {
            let node = node.clone();
            goodbyes.spawn(tasks.counted(async move { node.quit(bound).await }));
        }
        goodbyes.join_all().await;
    }
}

/// Resolves once Redis alone is waited for and makes no progress for [`PATIENCE`].
async fn redis_is_silent(consumers: &[Arc<Consumer>]) {
    let mut since: Option<(Instant, usize)> = None;
    loop {
        let count = unconfirmed_count(consumers);
        match (count, since) {
            (None, _) => since = None,
            (Some(count), Some((at, before))) if count == before => {
                if at.elapsed() >= PATIENCE {
                    return;
                }
            }
            (Some(count), _) => since = Some((Instant::now(), count)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Number of unconfirmed operations, or `None` while jobs are still running.
fn unconfirmed_count(consumers: &[Arc<Consumer>]) -> Option<usize> {
    consumers.iter().map(|consumer| consumer.lock().unconfirmed_count()).sum()
}
