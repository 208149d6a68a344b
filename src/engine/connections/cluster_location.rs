//! Connections to one node of a Cluster: where they lead to is looked up before each attempt, and they move on when
//! that is not the right node any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::redis_io::cluster::PATIENCE;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::Connection;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState};
use crate::redis_io::options::Endpoint;
use crate::redis_io::pubsub::subscriber::Subscriber;
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::client::{Policy, default_retry_delay};

/// The longest wait before the next attempt: it leads to another node as soon as there is one.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// The policy of a connection to whichever node has a slot, or to any node.
pub struct Located {
    policy: Arc<Policy>,
    place: Arc<Place>,
    /// Watches whether the node is still the right one. A lock, since the end of the connection may come on another
    /// thread than its beginning.
    watch: Mutex<Option<AbortHandle>>,
}

/// Where a connection is to be, and where it is.
struct Place {
    topology: Arc<Topology>,
    /// The slot whose node it has to be on; without one any node will do.
    slot: Option<u16>,
    /// The slot whose node is tried first if any will do.
    preferred: Option<u16>,
    /// How often it was looked up since there was a connection.
    tries: AtomicUsize,
    /// The node that the connection is to, or is being made to. A lock, since it moves.
    node: Mutex<Option<String>>,
}

/// A connection that can be made anew, to another node.
pub trait Movable: Send + Sync + 'static {
    /// Has it made anew.
    fn move_on(&self);
}

impl Movable for Connection {
    fn move_on(&self) {
        self.reset();
    }
}

impl Movable for Subscriber {
    fn move_on(&self) {
        self.reset();
    }
}

impl Located {
    /// Decides as `policy` does, but for the place and the time of the next attempt: only the topology gives a
    /// Cluster up.
    pub fn new(policy: Arc<Policy>, topology: Arc<Topology>, slot: u16) -> Arc<Self> {
        Self::at(policy, topology, Some(slot), None)
    }

    /// The same for a connection to any node, if it can be had to the one that has the `preferred` slot.
    pub fn anywhere(policy: Arc<Policy>, topology: Arc<Topology>, preferred: Option<u16>) -> Arc<Self> {
        Self::at(policy, topology, None, preferred)
    }

    fn at(
        policy: Arc<Policy>,
        topology: Arc<Topology>,
        slot: Option<u16>,
        preferred: Option<u16>,
    ) -> Arc<Self> {
        let (tries, node) = Default::default();
        let place = Arc::new(Place { topology, slot, preferred, tries, node });
        Arc::new(Self { policy, place, watch: Mutex::default() })
    }

    /// Has its connection made anew when the node is not the right one any more: one that is gone without a word, or
    /// was removed and lives on, says nothing of it.
    pub fn keep_right<M: Movable>(&self, connection: &Arc<M>, tasks: &Tasks) {
        let watch = tasks.spawn(keep_right(Arc::downgrade(connection), self.place.clone()));
        *lock(&self.watch) = Some(watch.abort_handle());
    }

    fn end_watch(&self) {
        if let Some(watch) = lock(&self.watch).take() {
            watch.abort();
        }
    }
}

impl Place {
    /// Where to try next: every second time elsewhere than on the preferred node, which may be gone.
    async fn locate(&self) -> Result<Endpoint, RedisError> {
        let is_turn = self.tries.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        if let Some(slot) = self.preferred.filter(|_| is_turn)
            && let Ok(endpoint) = self.topology.clone().locate(Some(slot)).await
        {
            return Ok(endpoint);
        }
        self.topology.clone().locate(self.slot).await
    }
}

impl LinkPolicy for Located {
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        Some(self.policy.as_ref())
    }

    /// As long as commands for a slot do.
    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }

    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        let place = self.place.clone();
        Some(Box::pin(async move {
            let endpoint = place.locate().await?;
            *lock(&place.node) = Some(endpoint.to_string());
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
                *lock(&self.place.node) = None;
                if error.is_some() {
                    // Its node may have been replaced.
                    self.place.topology.refresh();
                }
            }
            LinkState::Ready => self.place.tries.store(0, Ordering::Relaxed),
            LinkState::End => self.end_watch(),
            _ => {}
        }
        self.policy.state_changed(state, error);
    }
}

impl Drop for Located {
    fn drop(&mut self) {
        self.end_watch();
    }
}

async fn keep_right<M: Movable>(connection: Weak<M>, place: Arc<Place>) {
    let mut changes = place.topology.changes();
    while changes.next().await {
        let Some(connection) = connection.upgrade() else { return };
        let is_wrong =
            lock(&place.node).as_ref().is_some_and(|node| !place.topology.is_right(place.slot, node));
        if is_wrong {
            *lock(&place.node) = None;
            connection.move_on();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
