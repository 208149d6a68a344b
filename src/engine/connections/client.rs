//! A connection of the bus under a name that outlives it. It is opened at its first use, and again after its end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::redis_io::cluster::Cluster;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::Connection;
use crate::redis_io::connection::metrics::{Totals, Traffic};
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{Link, LinkPolicy, LinkState, ReplySink, call, call_on};
use crate::redis_io::locked::Locked;
use crate::redis_io::resp::Value;

use crate::engine::connections::cluster_location::LocationPolicy;
use crate::engine::connections::ejection::link_policy::{EjectionHandle, around};
use crate::engine::connections::policy::PolicyOptions;
use crate::engine::connections::reply_counter::ReplyCounter;
use crate::engine::connections::sentinel::failover_policy::FailoverPolicy;
use crate::engine::connections::sentinel::locator::SentinelLocator;

/// Destination of a client's connection.
pub enum ConnectionTarget {
    /// A single Redis.
    Single,
    /// The Redis that sentinels resolve.
    Sentinel(Arc<SentinelLocator>),
    /// All nodes of a Cluster. The key of a command decides its node.
    Cluster(Arc<Topology>),
    /// The node of a Cluster that serves a slot.
    ClusterSlot(Arc<Topology>, u16),
}

/// A named connection.
pub struct Client {
    policy: PolicyOptions,
    target: ConnectionTarget,
    sink: Arc<dyn ReplySink>,
    /// Counter of replies that come from several nodes.
    reply_counter: Option<Arc<ReplyCounter>>,
    /// A lock, since the host's thread and the engine's thread can both be the first to use the connection.
    link: Mutex<Option<Arc<dyn Link>>>,
    /// Number of sessions that ended. Facts about one session, such as its CLIENT ID, must not be used for the next.
    session: Arc<AtomicU64>,
    traffic: Arc<Traffic>,
    /// True once the client has had its one connection. Only connections of the bus itself are opened again after
    /// their end.
    is_spent: AtomicBool,
    /// True once its connection was given up, until the next one.
    was_failed: AtomicBool,
}

impl Client {
    /// A client without a connection yet.
    pub fn new(policy: PolicyOptions, target: ConnectionTarget, sink: Arc<dyn ReplySink>) -> Self {
        let reply_counter =
            matches!(target, ConnectionTarget::Cluster(_)).then(|| ReplyCounter::new(sink.clone()));
        let sink = reply_counter.clone().map_or(sink, |reply_counter| reply_counter as Arc<dyn ReplySink>);
        Self {
            policy,
            target,
            sink,
            reply_counter,
            link: Mutex::new(None),
            session: Arc::default(),
            traffic: Arc::default(),
            is_spent: AtomicBool::new(false),
            was_failed: AtomicBool::new(false),
        }
    }

    /// Returns the connection, and opens it if there is none or the last one has ended. Fails while the bus is
    /// closing or the node is ejected, and after the end of a connection of the user's.
    pub fn link(&self) -> Result<Arc<dyn Link>, RedisError> {
        let mut link = self.lock();
        if let Some(open) = link.as_ref().filter(|open| open.state() != LinkState::End) {
            return Ok(open.clone());
        }
        if self.policy.closing.load(Ordering::Acquire) || self.spend() {
            return Err(RedisError::closed());
        }
        if let Some(refusal) = self.policy.handle.as_ref().and_then(EjectionHandle::refusal) {
            return Err(refusal);
        }
        let was_lost = self.was_failed.swap(false, Ordering::AcqRel) || link.is_some();
        let opened = self.open(was_lost);
        *link = Some(opened.clone());
        Ok(opened)
    }

    /// Opens a connection, in place of one that was lost or not.
    fn open(&self, was_lost: bool) -> Arc<dyn Link> {
        let (sink, tasks) = (self.sink.clone(), self.policy.context.tasks.clone());
        let policy = self.policy.for_link(self.session.clone(), self.traffic.clone(), was_lost);
        match &self.target {
            ConnectionTarget::Single => self.connect(policy, sink),
            ConnectionTarget::Sentinel(locator) => {
                let failover_policy = FailoverPolicy::new(policy, locator.clone());
                let opened = self.connect(failover_policy.clone(), sink);
                failover_policy.attach(&opened);
                opened
            }
            ConnectionTarget::Cluster(topology) => {
                let checks_sends = self.policy.checks_sends(&topology.options().link);
                let silence = self.policy.silence;
                Cluster::new(topology.clone(), (silence, checks_sends), policy, sink, tasks)
            }
            ConnectionTarget::ClusterSlot(topology, slot) => {
                let location_policy = LocationPolicy::new(policy, topology.clone(), *slot);
                let options = self.policy.link_options(&topology.options().link);
                let connection = Connection::new(options, location_policy.clone(), sink, tasks.clone());
                location_policy.watch_location(&connection, &tasks);
                connection
            }
        }
    }

    /// Returns true if the connection was closed or has ended, and is not opened any more.
    pub fn is_over(&self) -> bool {
        self.is_spent.load(Ordering::Acquire) && self.current().is_none()
    }

    /// Prevents further connections if this one is the user's. Returns true if that was so before.
    fn spend(&self) -> bool {
        self.policy.visible.is_some() && self.is_spent.swap(true, Ordering::AcqRel)
    }

    fn connect(&self, policy: Arc<dyn LinkPolicy>, sink: Arc<dyn ReplySink>) -> Arc<Connection> {
        let options = self.policy.link_options(&self.policy.options.link);
        let tasks = self.policy.context.tasks.clone();
        let policy = around(self.policy.handle.as_ref(), policy);
        let opened = Connection::new(options, policy, sink, tasks);
        if let Some(handle) = &self.policy.handle {
            handle.opened(opened.clone());
        }
        opened
    }

    /// The connection, if one is open.
    pub fn current(&self) -> Option<Arc<dyn Link>> {
        self.lock().clone().filter(|link| link.state() != LinkState::End)
    }

    /// Submits commands, and opens the connection if needed. No commands open no connection.
    pub fn submit(&self, commands: &mut Commands) {
        if commands.is_empty() {
            return;
        }
        if let Some(reply_counter) = &self.reply_counter {
            reply_counter.expect(commands);
        }
        match self.link() {
            Ok(link) => link.submit(commands),
            Err(refusal) => commands.refuse(self.sink.as_ref(), &refusal),
        }
    }

    /// Sends one command and waits for its reply.
    pub async fn call(&self, pack: impl FnOnce(&mut Commands, Destination)) -> Result<Value, RedisError> {
        call(self.link()?.as_ref(), pack).await
    }

    /// As [`Client::call`], on the node of that name in a Cluster.
    pub async fn call_on(
        &self,
        node: &str,
        pack: impl FnOnce(&mut Commands, Destination),
    ) -> Result<Value, RedisError> {
        call_on(self.link()?.as_ref(), node, pack).await
    }

    /// Number of sessions that have ended so far.
    pub fn session(&self) -> u64 {
        self.session.load(Ordering::Acquire)
    }

    /// Bytes and reconnections of all its connections so far.
    pub fn totals(&self) -> Totals {
        self.traffic.totals()
    }

    /// Closes the connection with QUIT if there is one, within `bound`.
    pub async fn quit(&self, bound: Duration) {
        self.spend();
        let link = self.lock().take();
        if let Some(link) = link {
            link.quit(bound).await;
        }
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        self.spend();
        // Callers that fail by this can use the connection again.
        let link = self.lock().take();
        if let Some(link) = link {
            link.close();
        }
    }

    /// As [`Client::close`]. Commands without a reply fail with `reason`.
    pub(crate) fn fail(&self, reason: RedisError) {
        let link = self.lock().take();
        if let Some(link) = link {
            self.was_failed.store(true, Ordering::Release);
            link.close_for(reason);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn Link>>> {
        self.link.locked()
    }
}

impl Drop for Client {
    /// Closes the connection. Without a client nothing else can close it.
    fn drop(&mut self) {
        self.close();
    }
}
