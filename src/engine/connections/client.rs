//! A connection of the bus under a name that outlives it: opened when first used, and again after it has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::redis_io::cluster::Cluster;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::Connection;
use crate::redis_io::connection::metrics::{Totals, Traffic};
use crate::redis_io::error::{QUEUE_FULL, RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, ErrorAction, Link, LinkPolicy, LinkState, ReplySink, call, call_on};
use crate::redis_io::options::{Endpoint, LinkOptions};
use crate::redis_io::resp::Value;

use crate::engine::connections::cluster_location::Located;
use crate::engine::connections::ejection::link_policy::{Part, around};
use crate::engine::connections::reconnects::Returns;
use crate::engine::connections::reply_counter::Gather;
use crate::engine::connections::sentinel::failover_policy::Follower;
use crate::engine::connections::sentinel::resolver::Resolver;
use crate::engine::connections::state_changes::Announcements;
use crate::engine::host::callbacks::Answer;
use crate::engine::host::context::Context;
use crate::engine::host::{Event, Retry};
use crate::engine::options::NodeOptions;

/// What a client's connection is one to.
pub enum Way {
    /// A Redis.
    One,
    /// The Redis that sentinels name.
    Named(Arc<Resolver>),
    /// All nodes of a Cluster, each command by its key.
    Cluster(Arc<Topology>),
    /// Whichever node of a Cluster has a slot.
    Slot(Arc<Topology>, u16),
}

/// A named connection.
pub struct Client {
    policy: PolicyOptions,
    way: Way,
    sink: Arc<dyn ReplySink>,
    /// Counts replies where they come from several nodes.
    gather: Option<Arc<Gather>>,
    /// A lock, since the host's thread and the engine's thread may both be the first to use the connection.
    link: Mutex<Option<Arc<dyn Link>>>,
    /// Counts the sessions that ended, so that what was learnt of one (its CLIENT ID) is not used for the next.
    session: Arc<AtomicU64>,
    traffic: Arc<Traffic>,
    /// Whether it has had its one connection: only those of the bus itself are opened again after they ended.
    is_spent: AtomicBool,
}

impl Client {
    /// A client that is not connected yet.
    pub fn new(policy: PolicyOptions, way: Way, sink: Arc<dyn ReplySink>) -> Self {
        let gather = matches!(way, Way::Cluster(_)).then(|| Gather::new(sink.clone()));
        let sink = gather.clone().map_or(sink, |gather| gather as Arc<dyn ReplySink>);
        Self {
            policy,
            way,
            sink,
            gather,
            link: Mutex::new(None),
            session: Arc::default(),
            traffic: Arc::default(),
            is_spent: AtomicBool::new(false),
        }
    }

    /// The connection, opened if there is none or the last one has ended; not while the bus is closing or the node
    /// is ejected, nor after the end of one that is the user's.
    pub fn link(&self) -> Result<Arc<dyn Link>, RedisError> {
        let mut link = self.lock();
        if let Some(open) = link.as_ref().filter(|open| open.state() != LinkState::End) {
            return Ok(open.clone());
        }
        if self.policy.closing.load(Ordering::Acquire) || self.spend() {
            return Err(closed());
        }
        if let Some(refusal) = self.policy.part.as_ref().and_then(Part::refusal) {
            return Err(refusal);
        }
        let opened = self.open();
        *link = Some(opened.clone());
        Ok(opened)
    }

    fn open(&self) -> Arc<dyn Link> {
        let (sink, tasks) = (self.sink.clone(), self.policy.context.tasks.clone());
        let policy = self.policy.for_link(self.session.clone(), self.traffic.clone());
        match &self.way {
            Way::One => self.connect(policy, sink),
            Way::Named(resolver) => {
                let follower = Follower::new(policy, resolver.clone());
                let opened = self.connect(follower.clone(), sink);
                follower.belong_to(&opened);
                opened
            }
            Way::Cluster(topology) => {
                Cluster::new(topology.clone(), self.policy.silence, policy, sink, tasks)
            }
            Way::Slot(topology, slot) => {
                let located = Located::new(policy, topology.clone(), *slot);
                let options = self.policy.watched(&topology.options().link);
                let connection = Connection::new(options, located.clone(), sink, tasks.clone());
                located.keep_right(&connection, &tasks);
                connection
            }
        }
    }

    /// Whether it was closed, or has ended, and is not opened any more.
    pub fn is_over(&self) -> bool {
        self.is_spent.load(Ordering::Acquire) && self.current().is_none()
    }

    /// From here on no connection is opened if it is the user's; whether that was so before.
    fn spend(&self) -> bool {
        self.policy.visible.is_some() && self.is_spent.swap(true, Ordering::AcqRel)
    }

    fn connect(&self, policy: Arc<dyn LinkPolicy>, sink: Arc<dyn ReplySink>) -> Arc<Connection> {
        let options = self.policy.watched(&self.policy.options.link);
        let tasks = self.policy.context.tasks.clone();
        let policy = around(self.policy.part.as_ref(), policy);
        let opened = Connection::new(options, policy, sink, tasks);
        if let Some(part) = &self.policy.part {
            part.opened(opened.clone());
        }
        opened
    }

    /// The connection, if there is one that has not ended.
    pub fn current(&self) -> Option<Arc<dyn Link>> {
        self.lock().clone().filter(|link| link.state() != LinkState::End)
    }

    /// Submits to the connection, opening it if need be; nothing if there is nothing to submit.
    pub fn submit(&self, commands: &mut Commands) {
        if commands.is_empty() {
            return;
        }
        if let Some(gather) = &self.gather {
            gather.expect(commands);
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

    /// As [`Client::call`], on the node of that name.
    pub async fn call_on(
        &self,
        node: &str,
        pack: impl FnOnce(&mut Commands, Destination),
    ) -> Result<Value, RedisError> {
        call_on(self.link()?.as_ref(), node, pack).await
    }

    /// How many sessions have ended so far.
    pub fn session(&self) -> u64 {
        self.session.load(Ordering::Acquire)
    }

    /// What has passed through its connections so far.
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
        // What fails by that is told to who may look at this connection again.
        let link = self.lock().take();
        if let Some(link) = link {
            link.close();
        }
    }

    /// As [`Client::close`]; what has no reply fails with `reason`.
    pub(crate) fn fail(&self, reason: RedisError) {
        let link = self.lock().take();
        if let Some(link) = link {
            link.close_for(reason);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<dyn Link>>> {
        self.link.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Client {
    /// A connection nobody can name any more would live for ever.
    fn drop(&mut self) {
        self.close();
    }
}

/// What the policies of a bus' connections are made from.
#[derive(Clone)]
pub struct PolicyOptions {
    /// Whom to ask and tell.
    pub context: Arc<Context>,
    /// What the user chose.
    pub options: Arc<NodeOptions>,
    /// The node's number, for questions.
    pub node: u32,
    /// The number under which changes of state are reported, if they are.
    pub visible: Option<u32>,
    /// Whether the host is told of the node by what becomes of the connection.
    pub announces: bool,
    /// How long the server may be silent, see [`LinkOptions::silence`].
    pub silence: Option<Duration>,
    /// Whether the bus is closing, so that nothing is opened any more.
    pub closing: Arc<AtomicBool>,
    /// Who is told that it is there again.
    pub returns: Arc<Returns>,
    /// What the connection has to do with the node's ejection, if it can be ejected.
    pub part: Option<Part>,
}

impl PolicyOptions {
    /// The options of a connection, with what is known of how long its server may be silent.
    pub fn watched(&self, link: &LinkOptions) -> Arc<LinkOptions> {
        Arc::new(LinkOptions { silence: self.silence, ..link.clone() })
    }

    /// The slots of the Cluster that the options tell of, if they do.
    pub fn topology(&self) -> Option<Arc<Topology>> {
        let cluster = self.options.cluster.clone()?;
        let asker = self.clone();
        let retry_delay =
            move |attempt| asker.retry_delay(Retry::Connection, attempt, default_cluster_retry_delay);
        Some(Topology::new(cluster, self.context.tasks.clone(), Box::new(retry_delay)))
    }

    /// Who finds out where the node is, if the options tell of sentinels.
    pub fn resolver(&self) -> Option<Arc<Resolver>> {
        let sentinels = self.options.sentinels.clone()?;
        Some(Resolver::new(sentinels, self.context.tasks.clone(), self.closing.clone()))
    }

    /// How long to wait before something is tried again: what the host says, if it wants to be asked.
    fn retry_delay(
        &self,
        retry: Retry,
        attempt: u32,
        otherwise: fn(u32) -> Duration,
    ) -> BoxFuture<Option<Duration>> {
        let asks = match retry {
            Retry::Connection => self.options.asks_retry,
            Retry::Sentinels => self.options.sentinels.as_ref().is_some_and(|sentinels| sentinels.asks_retry),
        };
        if !asks {
            return Box::pin(async move { Some(otherwise(attempt)) });
        }
        let (question, answer) = self.context.questions.ask();
        self.context.host.event(Event::RetryAsked { node: self.node, question, retry, attempt });
        self.context.host.wake();
        Box::pin(async move {
            match answer.await {
                Ok(Answer::Retry(delay)) => delay,
                _ => None,
            }
        })
    }

    /// The policy of one connection, which counts as open until it has ended.
    pub fn for_link(&self, session: Arc<AtomicU64>, traffic: Arc<Traffic>) -> Arc<Policy> {
        self.context.link_opened();
        let ended = AtomicBool::new(false);
        let place = Mutex::new(self.options.place());
        let (options, announcements) = (self.clone(), Mutex::default());
        Arc::new(Policy { options, session, traffic, ended, place, announcements })
    }
}

/// The decisions of one connection.
pub struct Policy {
    options: PolicyOptions,
    session: Arc<AtomicU64>,
    traffic: Arc<Traffic>,
    ended: AtomicBool,
    /// Where it connects to. A lock, as for the other, since the host's thread may be the one to close it.
    place: Mutex<String>,
    announcements: Mutex<Announcements>,
}

impl LinkPolicy for Policy {
    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.options.retry_delay(Retry::Connection, attempt, default_retry_delay)
    }

    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        self.options.retry_delay(Retry::Sentinels, round, default_relocate_delay)
    }

    fn inspects_errors(&self) -> bool {
        self.options.options.asks_reconnect
    }

    fn on_error_reply(&self, error: &RedisError) -> Option<BoxFuture<ErrorAction>> {
        if !self.options.options.asks_reconnect {
            return None;
        }
        let context = &self.options.context;
        let (question, answer) = context.questions.ask();
        context.host.event(Event::ReconnectAsked { node: self.options.node, question, error });
        context.host.wake();
        Some(Box::pin(async move {
            match answer.await {
                Ok(Answer::Reconnect(verdict)) => verdict,
                _ => ErrorAction::Deliver,
            }
        }))
    }

    fn located(&self, endpoint: &Endpoint) {
        *self.place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = endpoint.to_string();
    }

    fn traffic(&self) -> Arc<Traffic> {
        self.traffic.clone()
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        if matches!(state, LinkState::Close | LinkState::End) {
            self.session.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(client) = self.options.visible {
            self.options.context.host.event(Event::LinkChanged { client, state, error });
            self.options.context.host.wake();
        }
        if self.options.announces {
            self.announce(state, error);
        }
        if state == LinkState::End && !self.ended.swap(true, Ordering::AcqRel) {
            self.options.context.link_ended();
        }
    }
}

impl Policy {
    fn announce(&self, state: LinkState, error: Option<&RedisError>) {
        let (was_lost, said) = {
            let mut announcements =
                self.announcements.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            (announcements.is_lost(), announcements.note(state, error))
        };
        let Some(error) = said else { return };
        if was_lost && state == LinkState::Ready {
            self.options.returns.note();
        }
        let PolicyOptions { context, node, .. } = &self.options;
        let place = self.place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        context.host.event(Event::NodeChanged { node: *node, state, place: &place, error: error.as_ref() });
        context.host.wake();
    }
}

/// The error of what finds its connection closed for good.
pub fn closed() -> RedisError {
    RedisError::local(RedisErrorKind::Closed, "Connection is closed.", &Arc::from(""))
}

/// The error of what would wait behind as much as may wait.
pub fn queue_full() -> RedisError {
    RedisError::local(RedisErrorKind::QueueFull, QUEUE_FULL, &Arc::from("")).of("XADD")
}

/// ioredis' default for a Cluster: 100 ms, and 2 ms more with each attempt, up to two seconds.
fn default_cluster_retry_delay(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt).saturating_mul(2).saturating_add(100).min(2_000))
}

/// ioredis' default before sentinels are asked again: 10 ms more with each round, up to a second.
fn default_relocate_delay(round: u32) -> Duration {
    Duration::from_millis(u64::from(round).saturating_mul(10).min(1_000))
}

/// ioredis' default: 50 ms more with each attempt, up to two seconds.
pub(crate) fn default_retry_delay(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt).saturating_mul(50).min(2_000))
}
