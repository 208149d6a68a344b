//! Waits until the consumers of a bus are quiet. Jobs may take as long as they take, but Redis may not unless the user has
//! said for how long: a process that is told to end has to.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::engine::bus::Bus;
use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::ConsumerState;

/// How long nothing may come of it when no job runs and only Redis is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Bus {
    /// Has consumers read nothing more, and waits until they are quiet, for `most` at most, or if that is not said as long
    /// as it is any use; whether they are.
    pub(crate) async fn drain(&self, consumers: &[Arc<Consumer>], most: Option<Duration>) -> bool {
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
}

/// Resolves once nothing has come of waiting for Redis alone for too long.
async fn redis_is_silent(consumers: &[Arc<Consumer>]) {
    let mut since: Option<(Instant, usize)> = None;
    loop {
        let untold = untold(consumers);
        match (untold, since) {
            (None, _) => since = None,
            (Some(untold), Some((at, before))) if untold == before => {
                if at.elapsed() >= PATIENCE {
                    return;
                }
            }
            (Some(untold), _) => since = Some((Instant::now(), untold)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Of how many things Redis has not heard yet; none if there is something else to wait for.
fn untold(consumers: &[Arc<Consumer>]) -> Option<usize> {
    consumers.iter().map(|consumer| consumer.lock().untold()).sum()
}

impl ConsumerState {
    /// Of how many things Redis has not heard yet; none if jobs run, or wait to.
    fn untold(&self) -> Option<usize> {
        let is_idle = self.slots.running() == 0 && self.surplus.is_empty();
        let reads = self.lanes.iter().filter(|lane| lane.reading).count();
        is_idle.then(|| self.slots.in_flight() + self.claiming + self.giving_up + reads)
    }
}
