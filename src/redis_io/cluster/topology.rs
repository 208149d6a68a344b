//! Map from slots to nodes that the connections of a Cluster share.
//!
//! One task refreshes the slots, on request and periodically. It runs while the topology has a user, and all users read
//! the same map.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::redis_io::cluster::slot_map::{Address, SlotMap};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::BoxFuture;
use crate::redis_io::locked::Locked;
use crate::redis_io::options::{ClusterOptions, Endpoint};
use crate::redis_io::tasks::Tasks;
use crate::redis_io::world::map::HashMap;
use crate::redis_io::world::watch;

/// Delay before the next refresh after `n` refreshes in a row without an answer. `None` gives up.
pub type RetryDelay = dyn Fn(u32) -> BoxFuture<Option<Duration>> + Send + Sync;

/// Result of the latest refreshes.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefreshResult {
    /// Number of the last request that was answered.
    pub(crate) answered: u64,
    /// Error of the last refresh, if it failed.
    pub(crate) error: Option<RedisError>,
    /// True after the refresh has given up.
    pub(crate) given_up: bool,
}

/// Known nodes of a Cluster.
pub struct Topology {
    pub(crate) options: Arc<ClusterOptions>,
    pub(crate) tasks: Tasks,
    pub(crate) retry_delay: Box<RetryDelay>,
    /// Slots, once known. A lock, since both threads read and one writes. Held for one access only.
    map: Mutex<Option<Arc<SlotMap>>>,
    /// Slots that migrate, with their new node. Blocking reads wait there.
    imports: Mutex<HashMap<u16, Address>>,
    /// Number of requests for a refresh so far.
    pub(crate) asked: AtomicU64,
    /// Wakes the task: a refresh was requested, or the last user is gone.
    pub(crate) wake: Notify,
    pub(crate) results: watch::Sender<RefreshResult>,
    pub(crate) users: AtomicUsize,
    /// True while the task runs. A lock, so that the task does not end while a new user relies on it.
    pub(crate) running: Mutex<bool>,
    /// Rotates the choice of any node.
    pub(crate) turn: AtomicUsize,
    /// Number of times that slots have got another owner.
    owner_changes: AtomicU64,
    /// New owner of a slot that has moved. It is asked first, since other nodes can have old slots.
    pub(crate) preferred_node: Mutex<Option<Address>>,
}

/// Receives the results of refreshes.
pub struct Changes(watch::Receiver<RefreshResult>);

impl Changes {
    /// Waits for the next result. Returns false if the topology is gone.
    pub async fn next(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// Keeps the topology up to date while it lives.
pub(crate) struct TopologyUser(pub(crate) Arc<Topology>);

impl Topology {
    /// A topology without known nodes.
    pub fn new(options: ClusterOptions, tasks: Tasks, retry_delay: Box<RetryDelay>) -> Arc<Self> {
        Arc::new(Self {
            options: Arc::new(options),
            tasks,
            retry_delay,
            map: Mutex::default(),
            imports: Mutex::default(),
            asked: AtomicU64::new(0),
            wake: Notify::new(),
            results: watch::Sender::default(),
            users: AtomicUsize::new(0),
            running: Mutex::default(),
            turn: AtomicUsize::new(0),
            owner_changes: AtomicU64::new(0),
            preferred_node: Mutex::default(),
        })
    }

    /// Options of the Cluster.
    pub fn options(&self) -> &Arc<ClusterOptions> {
        &self.options
    }

    /// The slots, once they are known.
    pub(crate) fn map(&self) -> Option<Arc<SlotMap>> {
        self.map.locked().clone()
    }

    /// Returns true if the task must end, since the topology has no user.
    pub(crate) fn try_stop(&self) -> bool {
        let mut running = self.running.locked();
        *running = self.users.load(Ordering::Acquire) > 0;
        !*running
    }

    pub(crate) fn give_up(&self) {
        // Sent under the lock, so that a later user does not receive it.
        let mut running = self.running.locked();
        *running = false;
        self.results.send_modify(|result| result.given_up = true);
    }

    /// Returns a receiver of the results of refreshes.
    pub(crate) fn results(&self) -> watch::Receiver<RefreshResult> {
        self.results.subscribe()
    }

    /// Returns a receiver of the changes from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.results())
    }

    /// Requests a refresh.
    pub fn refresh(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// Notes a MOVED of a slot.
    pub fn moved(&self, slot: u16, to: &Address) {
        if let Some(map) = self.map.locked().as_mut() {
            Arc::make_mut(map).note_moved(slot, to);
        }
        self.owner_changes.fetch_add(1, Ordering::AcqRel);
        self.imports.locked().remove(&slot);
        *self.preferred_node.locked() = Some(to.clone());
        self.refresh();
    }

    /// Notes an ASK for a slot.
    pub fn importing(&self, slot: u16, to: &Address) {
        self.imports.locked().insert(slot, to.clone());
        self.refresh();
    }

    /// Returns true if a node belongs to the Cluster.
    pub(crate) fn knows(&self, address: &Address) -> bool {
        self.map().is_some_and(|map| map.nodes().contains(address))
            || self.imports.locked().values().any(|importing| importing == address)
    }

    /// Returns true if the connection for a slot, or for any node, is to the right node by the known slots.
    pub fn is_right(&self, slot: Option<u16>, node: &str) -> bool {
        let Some(map) = self.map() else { return true };
        match slot {
            Some(slot) => self.node_of(slot).is_none_or(|address| address.to_string() == node),
            None => map.nodes().iter().any(|address| address.to_string() == node),
        }
    }

    /// Returns true if two slots are on one node by the known slots, or are the same.
    pub fn is_one_node(&self, one: u16, other: u16) -> bool {
        one == other || self.node_of(one).is_some_and(|node| self.node_of(other) == Some(node))
    }

    /// Returns true after the refresh has given up.
    pub fn has_given_up(&self) -> bool {
        self.results.borrow().given_up
    }

    /// Returns true if the slot migrates to another node. Reads of it must send ASKING.
    pub fn is_importing(&self, slot: u16) -> bool {
        self.imports.locked().contains_key(&slot)
    }

    /// Returns the reachable address for one that a node announced.
    pub fn reachable(&self, address: Address) -> Address {
        self.options.nat.get(&address).cloned().unwrap_or(address)
    }

    pub(crate) fn endpoint(&self, address: &Address) -> Endpoint {
        let Endpoint::Tcp { family, .. } = self.options.link.endpoint else {
            return Endpoint::Tcp { host: address.host.clone(), port: address.port, family: 0 };
        };
        Endpoint::Tcp { host: address.host.clone(), port: address.port, family }
    }

    /// Returns the node on which reads of a slot block.
    pub fn node_of(&self, slot: u16) -> Option<Address> {
        let importing = self.imports.locked().get(&slot).cloned();
        importing.or_else(|| Some(self.map()?.shard(slot)?.primary.clone()))
    }

    /// Number of times that slots have got another owner, as far as known.
    pub fn owner_changes(&self) -> u64 {
        self.owner_changes.load(Ordering::Acquire)
    }

    /// Returns any primary, in turn.
    pub(crate) fn any_node(&self) -> Option<Address> {
        let map = self.map()?;
        let primaries: Vec<&Address> = map.primaries().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        primaries.get(turn % primaries.len().max(1)).map(|&address| address.clone())
    }

    /// Error of a command without a node, since the slots are unknown.
    pub(crate) fn unknown(&self, cause: Option<RedisError>) -> RedisError {
        match cause {
            Some(cause) => {
                let message = format!("Failed to refresh slots cache: {}", cause.message);
                RedisError { message: message.into(), ..cause }
            }
            None => RedisError::local(
                RedisErrorKind::Connect,
                "Failed to refresh slots cache.",
                &Arc::from(self.options.startup.first().map(ToString::to_string).unwrap_or_default()),
            ),
        }
    }

    pub(crate) fn set(&self, map: SlotMap) {
        self.imports.locked().retain(|&slot, to| map.shard(slot).is_some_and(|shard| shard.primary != *to));
        let mut known = self.map.locked();
        if known.as_ref().is_some_and(|known| !known.has_owners_of(&map)) {
            self.owner_changes.fetch_add(1, Ordering::AcqRel);
        }
        *known = Some(Arc::new(map));
    }
}

impl Drop for TopologyUser {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.wake.notify_one();
        }
    }
}
