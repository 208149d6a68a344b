//! Keeps track of which node of a Cluster has which slots.
//!
//! One task asks for the slots: when something calls for it, and every now and then. It runs while anybody has a
//! lease, and everybody who has one reads the same map.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::codec::Reply;
use super::command::Ticket;
use super::connection::Connection;
use super::error::{RedisError, RedisErrorKind};
use super::link::{BoxFuture, Link, LinkPolicy, LinkState, ReplySink, call};
use super::options::{ClusterOptions, Endpoint};
use super::slot_map::{Address, SlotMap};

/// How long to wait before the nodes are asked again after the n-th round in which none of them answered; `None` is
/// to give up.
pub type RetryDelay = dyn Fn(u32) -> BoxFuture<Option<Duration>> + Send + Sync;

/// How many nodes are asked, one after the other, before who waits to be told where to go is told to try again.
const PATIENCE: u32 = 3;

/// What came of asking.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    /// The last question that is answered.
    answered: u64,
    /// Why there is no answer at present.
    pub(super) error: Option<RedisError>,
    /// Whether nobody asks any more.
    pub(super) given_up: bool,
}

/// The nodes of a Cluster, as far as they are known.
pub struct Topology {
    options: Arc<ClusterOptions>,
    runtime: Handle,
    retry_delay: Box<RetryDelay>,
    /// A lock, since both threads look up and one writes; held for that only.
    map: Mutex<Option<Arc<SlotMap>>>,
    /// Slots that are on their way to another node, where blocking reads have to wait for them.
    imports: Mutex<HashMap<u16, Address>>,
    /// The questions so far.
    asked: AtomicU64,
    /// Wakes the task: there is a question, or nobody has a lease any more.
    wake: Notify,
    news: watch::Sender<News>,
    leases: AtomicUsize,
    /// Whether the task runs. A lock, so that it does not end while somebody relies on it.
    running: Mutex<bool>,
    /// Rotates what is chosen where any node will do.
    turn: AtomicUsize,
}

/// Keeps the topology up to date while it lives.
pub(super) struct Lease(Arc<Topology>);

impl Topology {
    /// A topology that nothing is known of yet.
    pub fn new(options: ClusterOptions, runtime: Handle, retry_delay: Box<RetryDelay>) -> Arc<Self> {
        Arc::new(Self {
            options: Arc::new(options),
            runtime,
            retry_delay,
            map: Mutex::default(),
            imports: Mutex::default(),
            asked: AtomicU64::new(0),
            wake: Notify::new(),
            news: watch::Sender::default(),
            leases: AtomicUsize::new(0),
            running: Mutex::default(),
            turn: AtomicUsize::new(0),
        })
    }

    /// What it was made with.
    pub fn options(&self) -> &Arc<ClusterOptions> {
        &self.options
    }

    /// The slots, once they are known.
    pub(super) fn map(&self) -> Option<Arc<SlotMap>> {
        lock(&self.map).clone()
    }

    pub(super) fn lease(self: &Arc<Self>) -> Lease {
        let mut running = lock(&self.running);
        self.leases.fetch_add(1, Ordering::AcqRel);
        if !std::mem::replace(&mut *running, true) {
            self.news.send_modify(|news| news.given_up = false);
            self.refresh();
            self.runtime.spawn(keep_up(self.clone()));
        }
        Lease(self.clone())
    }

    /// Whether the task ends, since nobody has a lease any more.
    fn rests(&self) -> bool {
        let mut running = lock(&self.running);
        *running = self.leases.load(Ordering::Acquire) > 0;
        !*running
    }

    fn give_up(&self) {
        *lock(&self.running) = false;
        self.news.send_modify(|news| news.given_up = true);
    }

    /// What becomes of the questions from now on.
    pub(super) fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Has the slots asked for again.
    pub fn refresh(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// A node has said that another one has the slot.
    pub fn moved(&self, slot: u16, to: &Address) {
        if let Some(map) = lock(&self.map).as_mut() {
            Arc::make_mut(map).note_moved(slot, to);
        }
        lock(&self.imports).remove(&slot);
        self.refresh();
    }

    /// A node has said that a key of the slot is on another one already.
    pub fn importing(&self, slot: u16, to: &Address) {
        lock(&self.imports).insert(slot, to.clone());
        self.refresh();
    }

    /// Whether a node belongs to the Cluster.
    pub(super) fn knows(&self, address: &Address) -> bool {
        self.map().is_some_and(|map| map.nodes().contains(address))
            || lock(&self.imports).values().any(|importing| importing == address)
    }

    /// Whether reads of the slot have to say that they know that it is on its way.
    pub fn is_importing(&self, slot: u16) -> bool {
        lock(&self.imports).contains_key(&slot)
    }

    /// The address in what a node said, as it is reached from here.
    pub fn reachable(&self, address: Address) -> Address {
        self.options.nat.get(&address).cloned().unwrap_or(address)
    }

    /// Where a connection for a slot is to be opened, or one to any node. Waits for the answer to what was asked
    /// so far, but not for ever.
    pub async fn locate(self: Arc<Self>, slot: Option<u16>) -> Result<Endpoint, RedisError> {
        let _lease = self.lease();
        let asked = self.asked.load(Ordering::Acquire);
        let mut news = self.news();
        let answer = news.wait_for(|news| news.answered >= asked || news.given_up);
        // Whether it is answered or not, what is known is known.
        let _ = timeout(self.options.refresh_timeout * PATIENCE, answer).await;
        let address = match slot {
            Some(slot) => self.node_of(slot),
            None => self.any_node(),
        };
        match address {
            Some(address) => Ok(self.endpoint(&address)),
            None => Err(self.unknown(news.borrow().error.clone())),
        }
    }

    pub(super) fn endpoint(&self, address: &Address) -> Endpoint {
        let Endpoint::Tcp { family, .. } = self.options.link.endpoint else {
            return Endpoint::Tcp { host: address.host.clone(), port: address.port, family: 0 };
        };
        Endpoint::Tcp { host: address.host.clone(), port: address.port, family }
    }

    /// The node on which reads of a slot wait.
    fn node_of(&self, slot: u16) -> Option<Address> {
        let importing = lock(&self.imports).get(&slot).cloned();
        importing.or_else(|| Some(self.map()?.shard(slot)?.primary.clone()))
    }

    /// Some node, another one each time.
    pub(super) fn any_node(&self) -> Option<Address> {
        let map = self.map()?;
        let primaries: Vec<&Address> = map.primaries().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        primaries.get(turn % primaries.len().max(1)).map(|&address| address.clone())
    }

    /// The error of what cannot go anywhere, since the slots are not known.
    pub(super) fn unknown(&self, cause: Option<RedisError>) -> RedisError {
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

    /// Whom to ask, in this order: who is known, and then who was known in the beginning.
    fn candidates(&self) -> Vec<Address> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let rotated = |mut addresses: Vec<Address>| {
            let by = turn % addresses.len().max(1);
            addresses.rotate_left(by);
            addresses
        };
        let known = self.map().map(|map| map.nodes().into_iter().cloned().collect()).unwrap_or_default();
        let mut candidates = rotated(known);
        for address in rotated(self.options.startup.clone()) {
            if !candidates.contains(&address) {
                candidates.push(address);
            }
        }
        candidates
    }

    fn set(&self, map: SlotMap) {
        lock(&self.imports).retain(|&slot, to| map.shard(slot).is_some_and(|shard| shard.primary != *to));
        *lock(&self.map) = Some(Arc::new(map));
    }

    /// Asks one node, on a connection that is kept for the next time as long as it answers.
    async fn ask(
        &self,
        address: &Address,
        kept: &mut Option<(Address, Arc<Connection>)>,
    ) -> Result<SlotMap, RedisError> {
        let connection = match kept.take() {
            Some((to, connection)) if to == *address && connection.state() != LinkState::End => connection,
            _ => self.open(address),
        };
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
        *kept = Some((address.clone(), connection));
        Ok(map)
    }

    fn open(&self, address: &Address) -> Arc<Connection> {
        let mut options = self.options.link.clone();
        (options.endpoint, options.lazy, options.offline_queue) = (self.endpoint(address), false, true);
        Connection::new(Arc::new(options), Arc::new(Once), Arc::new(Nobody), self.runtime.clone())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.leases.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.wake.notify_one();
        }
    }
}

/// Asks for the slots while anybody has a lease.
async fn keep_up(topology: Arc<Topology>) {
    let mut failures = 0;
    let mut kept = None;
    while !topology.rests() {
        let asked = topology.asked.load(Ordering::Acquire);
        if topology.news.borrow().answered >= asked && topology.news.borrow().error.is_none() {
            topology.wait_for_questions().await;
            continue;
        }
        let outcome = topology.round(&mut kept).await;
        failures = if outcome.is_ok() { 0 } else { failures + 1 };
        topology.news.send_modify(|news| (news.answered, news.error) = (asked, outcome.err()));
        // However much there is to ask, no node is asked without a pause.
        let pause = if failures == 0 { Some(SHORTEST_PAUSE) } else { (topology.retry_delay)(failures).await };
        match pause {
            Some(pause) => topology.sleep(pause.max(SHORTEST_PAUSE)).await,
            None => return topology.give_up(),
        }
    }
}

/// The shortest time between two rounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

impl Topology {
    /// Asks one node after the other until one answers.
    async fn round(&self, kept: &mut Option<(Address, Arc<Connection>)>) -> Result<(), RedisError> {
        let mut candidates = self.candidates();
        if let Some((address, _)) = kept {
            let address = address.clone();
            candidates.retain(|candidate| *candidate != address);
            candidates.insert(0, address);
        }
        let mut last = None;
        for address in candidates {
            match self.ask(&address, kept).await {
                Ok(map) => {
                    self.set(map);
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| self.unknown(None)))
    }

    async fn sleep(&self, delay: Duration) {
        let until = tokio::time::Instant::now() + delay;
        while self.leases.load(Ordering::Acquire) > 0 {
            // A question that comes meanwhile is answered in the next round.
            match tokio::time::timeout_at(until, self.wake.notified()).await {
                Ok(()) => {}
                Err(_) => return,
            }
        }
    }

    async fn wait_for_questions(&self) {
        let interval = self.options.refresh_interval;
        match interval {
            None => self.wake.notified().await,
            Some(interval) => {
                if timeout(interval, self.wake.notified()).await.is_err() {
                    self.asked.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
    }
}

/// The policy of a connection that is not made again.
struct Once;

impl LinkPolicy for Once {
    fn retry_delay(&self, _attempt: u32) -> BoxFuture<Option<Duration>> {
        Box::pin(async { None })
    }
}

/// The sink of a connection on which every reply has somebody who waits for it.
struct Nobody;

impl ReplySink for Nobody {
    fn reply(&self, _ticket: Ticket, _outcome: Result<Reply<'_>, RedisError>) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
