//! Policy of connections to one node of a Cluster. It looks the node up before each attempt, and reconnects when
//! another node is the right one.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::redis_io::cluster::state::PATIENCE;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::Connection;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::Endpoint;
use crate::redis_io::pubsub::subscriber::Subscriber;
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::policy::{ConnectionPolicy, default_retry_delay};

/// Maximum delay before the next attempt. The attempt leads to another node as soon as there is one.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Policy of a connection to the node of a slot, or to any node.
pub struct LocationPolicy {
    policy: Arc<ConnectionPolicy>,
    place: Arc<Place>,
    /// Task that checks the node against the topology. A lock, since a connection can end on another thread than it
    /// began on.
    watch: Mutex<Option<AbortHandle>>,
}

/// Wanted and current node of a connection.
struct Place {
    topology: Arc<Topology>,
    /// Slot whose node the connection must be on. Without one any node will do.
    slot: Option<u16>,
    /// Node of the connection or of the attempt. A lock, since it changes.
    node: Mutex<Option<String>>,
}

/// A connection that can move to another node.
pub trait Reconnectable: Send + Sync + 'static {
    /// Closes the connection and makes it anew.
    fn reconnect(&self);
}

impl Reconnectable for Connection {
    fn reconnect(&self) {
        self.reset();
    }
}

impl Reconnectable for Subscriber {
    fn reconnect(&self) {
        self.reset();
    }
}

impl LocationPolicy {
    /// Decides as `policy`, apart from the node and the time of the next attempt. Only the topology gives a Cluster
    /// up.
    pub fn new(policy: Arc<ConnectionPolicy>, topology: Arc<Topology>, slot: u16) -> Arc<Self> {
        Self::at(policy, topology, Some(slot))
    }

    /// As `new`, for a connection to any node.
    pub fn anywhere(policy: Arc<ConnectionPolicy>, topology: Arc<Topology>) -> Arc<Self> {
        Self::at(policy, topology, None)
    }

    fn at(policy: Arc<ConnectionPolicy>, topology: Arc<Topology>, slot: Option<u16>) -> Arc<Self> {
        let place = Arc::new(Place { topology, slot, node: Mutex::default() });
        Arc::new(Self { policy, place, watch: Mutex::default() })
    }

    /// Starts the task that reconnects once the node is not the right one any more. A removed node that lives on, or
    /// one that is gone, does not report that itself.
    pub fn watch_location<M: Reconnectable>(&self, connection: &Arc<M>, tasks: &Tasks) {
        let watch = tasks.spawn(watch_location(Arc::downgrade(connection), self.place.clone()));
        *self.watch.locked() = Some(watch.abort_handle());
    }

    fn end_watch(&self) {
        if let Some(watch) = self.watch.locked().take() {
            watch.abort();
        }
    }
}

impl LinkPolicy for LocationPolicy {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    /// The same time as for commands with a slot.
    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let place = self.place.clone();
        Some(Box::pin(async move {
            let endpoint = place.topology.clone().locate(place.slot).await?;
            *place.node.locked() = Some(endpoint.to_string());
            Ok(endpoint)
        }))
    }

    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        if self.place.topology.has_given_up() {
            return Box::pin(async { None });
        }
        self.retry_delay(round)
    }

    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async move { Some(default_retry_delay(attempt).min(LONGEST_WAIT)) })
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        match state {
            LinkState::Close => {
                *self.place.node.locked() = None;
                if error.is_some() {
                    // Another node can have replaced it.
                    self.place.topology.refresh();
                }
            }
            LinkState::End => self.end_watch(),
            _ => {}
        }
        self.policy.state_changed(state, error);
    }
}

impl Drop for LocationPolicy {
    fn drop(&mut self) {
        self.end_watch();
    }
}

async fn watch_location<M: Reconnectable>(connection: Weak<M>, place: Arc<Place>) {
    let mut changes = place.topology.changes();
    while changes.next().await {
        let Some(connection) = connection.upgrade() else { return };
        let is_wrong =
            place.node.locked().as_ref().is_some_and(|node| !place.topology.is_right(place.slot, node));
        if is_wrong {
            *place.node.locked() = None;
            connection.reconnect();
        }
    }
}
