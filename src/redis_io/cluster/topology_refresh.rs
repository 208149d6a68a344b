//! Refreshes the slots of a Cluster with CLUSTER SLOTS.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use crate::redis_io::cluster::slot_map::{Address, SlotMap};
use crate::redis_io::cluster::topology::{Topology, TopologyUser};
use crate::redis_io::connection::Connection;
use crate::redis_io::destination::DiscardReplies;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, call};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::Endpoint;
use crate::redis_io::world::map::HashMap;

/// Connections for refreshes. After a failure all are kept and asked in turn, since a node can be cut off from the
/// others. After a periodic refresh one is enough.
type Kept = HashMap<Address, Arc<Connection>>;

/// Minimum time between two refreshes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Number of nodes that are asked in a row before a caller of `locate` gets an error.
const PATIENCE: u32 = 3;

/// Refreshes the slots while the topology has a user.
pub(crate) async fn run_refresh(topology: Arc<Topology>) {
    let mut failures = 0;
    let mut kept = Kept::default();
    let mut calm = false;
    while !topology.try_stop() {
        let asked = topology.asked.load(Ordering::Acquire);
        if topology.results.borrow().answered >= asked && topology.results.borrow().error.is_none() {
            calm = topology.wait_for_questions().await;
            continue;
        }
        let outcome = topology.round(&mut kept, std::mem::take(&mut calm)).await;
        failures = if outcome.is_ok() { 0 } else { failures + 1 };
        topology.results.send_modify(|result| (result.answered, result.error) = (asked, outcome.err()));
        // A pause precedes every query, even with many questions.
        let pause = if failures == 0 { Some(SHORTEST_PAUSE) } else { (topology.retry_delay)(failures).await };
        match pause {
            Some(pause) => topology.sleep(pause.max(SHORTEST_PAUSE)).await,
            None => return topology.give_up(),
        }
    }
}

impl Topology {
    /// Adds a user of the topology. The first one starts the refresh.
    pub(crate) fn add_user(self: &Arc<Self>) -> TopologyUser {
        let mut running = self.running.locked();
        self.users.fetch_add(1, Ordering::AcqRel);
        if !std::mem::replace(&mut *running, true) {
            // An error of earlier users does not hold for this one.
            self.results.send_modify(|result| (result.error, result.given_up) = (None, false));
            self.refresh();
            self.tasks.spawn(run_refresh(self.clone()));
        }
        TopologyUser(self.clone())
    }

    /// Returns the endpoint for a connection of a slot, or of any node. Waits for the refreshes that were requested
    /// before, up to a limit.
    pub async fn locate(self: Arc<Self>, slot: Option<u16>) -> Result<Endpoint, RedisError> {
        let _user = self.add_user();
        let asked = self.asked.load(Ordering::Acquire);
        let mut results = self.results();
        let answer = results.wait_for(|result| result.answered >= asked || result.given_up);
        // The known slots serve even without an answer.
        let _ = timeout(self.options.refresh_timeout * PATIENCE, answer).await;
        let address = match slot {
            Some(slot) => self.node_of(slot),
            None => self.any_node(),
        };
        match address {
            Some(address) => Ok(self.endpoint(&address)),
            None => Err(self.unknown(results.borrow().error.clone())),
        }
    }

    /// Asks one node after the other until one answers.
    async fn round(&self, kept: &mut Kept, calm: bool) -> Result<(), RedisError> {
        let preferred_node = self.preferred_node.locked().take();
        let first = if calm { kept.keys().next().cloned() } else { preferred_node };
        let mut last = None;
        for address in self.candidates(first) {
            match self.ask(&address, kept).await {
                Ok(map) => {
                    self.set(map);
                    kept.retain(|known, _| !calm || *known == address);
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.unknown(None)))
    }

    async fn sleep(&self, delay: Duration) {
        let until = tokio::time::Instant::now() + delay;
        while self.users.load(Ordering::Acquire) > 0 {
            // A question that comes meanwhile is answered in the next round.
            match tokio::time::timeout_at(until, self.wake.notified()).await {
                Ok(()) => {}
                Err(_) => return,
            }
        }
    }

    /// Waits for a request. Returns true if the refresh interval ended the wait.
    async fn wait_for_questions(&self) -> bool {
        let Some(interval) = self.options.refresh_interval else {
            self.wake.notified().await;
            return false;
        };
        let calm = timeout(interval, self.wake.notified()).await.is_err();
        if calm {
            self.asked.fetch_add(1, Ordering::AcqRel);
        }
        calm
    }

    /// Returns the nodes to ask: the preferred node, then the known nodes, then the startup nodes.
    fn candidates(&self, first: Option<Address>) -> Vec<Address> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let rotated = |mut addresses: Vec<Address>| {
            let by = turn % addresses.len().max(1);
            addresses.rotate_left(by);
            addresses
        };
        let known = self.map().map(|map| map.nodes().into_iter().cloned().collect()).unwrap_or_default();
        let mut candidates: Vec<Address> = first.into_iter().collect();
        for address in rotated(known).into_iter().chain(rotated(self.options.startup.clone())) {
            if !candidates.contains(&address) {
                candidates.push(address);
            }
        }
        candidates
    }

    /// Asks one node, on a connection that is kept while it answers.
    async fn ask(&self, address: &Address, kept: &mut Kept) -> Result<SlotMap, RedisError> {
        let known = kept.remove(address).filter(|connection| connection.state() != LinkState::End);
        let connection = known.unwrap_or_else(|| self.open(address));
        let node: Arc<str> = address.to_string().into();
        let slots = call(connection.as_ref(), |commands, to| {
            commands.begin("CLUSTER", 2).arg(b"SLOTS").end(to);
        });
        let reply = timeout(self.options.refresh_timeout, slots).await.unwrap_or_else(|_| {
            Err(RedisError::local(RedisErrorKind::Timeout, "Command timed out", &node).of("CLUSTER"))
        });
        let reply = reply.map_err(|error| {
            connection.cause().filter(|_| error.kind == RedisErrorKind::Closed).unwrap_or(error)
        })?;
        let map = SlotMap::read(&reply, address, &self.options.nat).ok_or_else(|| {
            RedisError::local(RedisErrorKind::Protocol, "The node knows of no slots.", &node).of("CLUSTER")
        })?;
        kept.insert(address.clone(), connection);
        Ok(map)
    }

    fn open(&self, address: &Address) -> Arc<Connection> {
        let mut options = self.options.link.clone();
        (options.endpoint, options.lazy, options.offline_queue) = (self.endpoint(address), false, true);
        Connection::new(
            Arc::new(options),
            Arc::new(NoReconnect),
            Arc::new(DiscardReplies),
            self.tasks.clone(),
        )
    }
}

/// Policy of a connection that does not reconnect.
struct NoReconnect;

impl LinkPolicy for NoReconnect {
    fn retry_delay(&self, _attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async { None })
    }
}
