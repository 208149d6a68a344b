//! Connections to one node of a Cluster: where they lead to is looked up before each attempt.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, LinkPolicy, LinkState, Verdict};
use crate::redis_io::options::Endpoint;
use crate::redis_io::topology::Topology;

use super::client::{Policy, default_retry_delay};

/// The longest wait before the next attempt: it leads to another node as soon as there is one.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The policy of a connection to whichever node has a slot, or to any node.
pub struct Located {
    policy: Arc<Policy>,
    topology: Arc<Topology>,
    slot: Option<u16>,
}

impl Located {
    /// Decides as `policy` does, but for the place and the time of the next attempt: only the topology gives a
    /// Cluster up.
    pub fn new(policy: Arc<Policy>, topology: Arc<Topology>, slot: Option<u16>) -> Arc<Self> {
        Arc::new(Self { policy, topology, slot })
    }
}

impl LinkPolicy for Located {
    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        Some(Box::pin(self.topology.clone().locate(self.slot)))
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async move { Some(default_retry_delay(attempt).min(LONGEST_WAIT)) })
    }

    fn judges(&self) -> bool {
        self.policy.judges()
    }

    fn judge(&self, error: &RedisError) -> Option<BoxFuture<Verdict>> {
        self.policy.judge(error)
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        if state == LinkState::Close && error.is_some() {
            // Its node may have been replaced.
            self.topology.refresh();
        }
        self.policy.state_changed(state, error);
    }
}
