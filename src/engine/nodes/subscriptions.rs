//! The subscriber of a node, and the subscriptions of producers on it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::redis_io::cluster::slot_map::slot_of;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::metrics::{Totals, Traffic};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, LinkPolicy, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::options::LinkOptions;
use crate::redis_io::pubsub::subscriber::Subscriber;

use crate::engine::connections::cluster_location::LocationPolicy;
use crate::engine::connections::ejection::link_policy::around;
use crate::engine::connections::policy::PolicyOptions;
use crate::engine::connections::sentinel::failover_policy::FailoverPolicy;
use crate::engine::connections::sentinel::locator::SentinelLocator;
use crate::engine::nodes::message_router::{CompletionListener, MessageRouter};

/// Maximum time of QUIT when the subscriber moves to another node.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The subscriber of a node. It is opened at its first use, and again after its end.
pub struct Subscriptions {
    policy: PolicyOptions,
    /// Topology, if the node is a Cluster. Every node of a Cluster receives the messages of all.
    topology: Option<Arc<Topology>>,
    /// Locator of its server, if sentinels know it.
    locator: Option<Arc<SentinelLocator>>,
    router: Arc<MessageRouter>,
    traffic: Arc<Traffic>,
    subscriber: Mutex<Option<Arc<Subscriber>>>,
    /// In a Cluster, the slot of the first stream whose completions were subscribed to. They are published on its
    /// node. They take up to 40 ms to another node, as Redis 7.0 leaves Nagle's algorithm on between nodes.
    home: OnceCell<u16>,
}

impl Subscriptions {
    /// A subscriber without a connection yet.
    pub fn new(
        policy: PolicyOptions,
        topology: Option<Arc<Topology>>,
        locator: Option<Arc<SentinelLocator>>,
    ) -> Self {
        let router = MessageRouter::new(policy.context.clone(), policy.node);
        let (traffic, subscriber, home) = Default::default();
        Self { policy, topology, locator, router, traffic, subscriber, home }
    }

    /// Subscribes `producer` to a channel of its own. `stream_key` is the key of the stream that completions come
    /// from. Resolves once Redis has confirmed it.
    pub async fn subscribe(
        &self,
        producer: &Arc<dyn CompletionListener>,
        channel: String,
        stream_key: &str,
    ) -> Result<(), RedisError> {
        self.move_home(stream_key);
        let (subscriber, channel) = (self.subscriber()?, channel.into_bytes());
        self.router.add_channel(channel.clone(), producer);
        let subscribed = self.unless_out(subscriber.subscribe(vec![channel.clone()])).await;
        if let Err(error) = &subscribed {
            self.router.remove_channel(&channel);
            self.take_back(error, || subscriber.unsubscribe(vec![channel]));
        }
        subscribed
    }

    /// Subscribes `producer` to a pattern. `stream_key` is the key of the stream that completions come from, if
    /// there is only one. Resolves once Redis has confirmed it.
    pub async fn subscribe_pattern(
        &self,
        producer: &Arc<dyn CompletionListener>,
        pattern: &str,
        stream_key: Option<&str>,
    ) -> Result<(), RedisError> {
        if let Some(key) = stream_key {
            self.move_home(key);
        }
        let (subscriber, pattern) = (self.subscriber()?, pattern.as_bytes().to_vec());
        self.router.add_listener(&pattern, producer);
        let subscribed = self.unless_out(subscriber.psubscribe(vec![pattern.clone()])).await;
        if let Err(error) = &subscribed
            && self.router.remove_listener(&pattern, &Arc::downgrade(producer))
        {
            self.take_back(error, || subscriber.punsubscribe(vec![pattern]));
        }
        subscribed
    }

    /// Moves the subscriber to the node that publishes the completions of the first stream, if no message can be
    /// missed by that.
    fn move_home(&self, stream_key: &str) {
        let Some(topology) = &self.topology else { return };
        let slot = slot_of(stream_key.as_bytes());
        if self.home.set(slot).is_err() || !self.router.is_idle() {
            return;
        }
        let is_away = |open: &mut Arc<Subscriber>| {
            open.state() == LinkState::Ready && !topology.is_right(Some(slot), &open.node())
        };
        if let Some(away) = self.lock().take_if(is_away) {
            // Callers that wait for the subscriber to be ready fail first.
            self.policy.context.tasks.spawn(async move { away.quit(QUIT_TIMEOUT).await });
        }
    }

    /// Undoes a subscription that an ejected node has not confirmed, since the node can still carry it out.
    fn take_back(&self, error: &RedisError, undo: impl FnOnce() -> BoxFuture<Result<(), RedisError>>) {
        if error.kind == RedisErrorKind::Ejected {
            self.policy.context.tasks.spawn(undo());
        }
    }

    async fn unless_out<T>(&self, step: BoxFuture<Result<T, RedisError>>) -> Result<T, RedisError> {
        match &self.policy.handle {
            Some(handle) => handle.ejection.unless_out(step).await,
            None => step.await,
        }
    }

    /// Returns true if there is a connection.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().as_ref().is_some_and(|open| !matches!(open.state(), LinkState::End | LinkState::Wait))
    }

    /// Bytes and reconnections of its connections so far.
    pub(crate) fn totals(&self) -> Totals {
        self.traffic.totals()
    }

    /// Resolves once the subscriber is connected and Redis lets it in.
    pub async fn ready(&self) -> Result<(), RedisError> {
        let pong = self.subscriber()?.ping();
        self.unless_out(pong).await
    }

    /// Removes `producer` from channels and patterns. Channels and patterns without a listener are unsubscribed if
    /// there is a connection.
    pub fn forget(
        &self,
        producer: &Weak<dyn CompletionListener>,
        channels: Vec<String>,
        patterns: Vec<String>,
    ) {
        let channels: Vec<Vec<u8>> = channels.into_iter().map(String::into_bytes).collect();
        for channel in &channels {
            self.router.remove_channel(channel);
        }
        let mut unused = Vec::new();
        for pattern in patterns {
            if self.router.remove_listener(pattern.as_bytes(), producer) {
                unused.push(pattern.into_bytes());
            }
        }
        let Some(subscriber) = self.lock().clone() else { return };
        if subscriber.state() == LinkState::End {
            return;
        }
        // The confirmations have no receiver. Messages that still arrive find no producer in the table.
        let tasks = &self.policy.context.tasks;
        if !channels.is_empty() {
            tasks.spawn(subscriber.unsubscribe(channels));
        }
        if !unused.is_empty() {
            tasks.spawn(subscriber.punsubscribe(unused));
        }
    }

    /// Unsubscribes everything and closes the connection with QUIT, within `bound`.
    pub async fn quit(&self, bound: Duration) {
        self.router.clear();
        let subscriber = self.lock().take();
        if let Some(subscriber) = subscriber {
            subscriber.quit(bound).await;
        }
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        self.router.clear();
        if let Some(subscriber) = self.lock().take() {
            subscriber.close();
        }
    }

    fn subscriber(&self) -> Result<Arc<Subscriber>, RedisError> {
        if let Some(refusal) = self.policy.handle.as_ref().and_then(|handle| handle.ejection.refusal()) {
            return Err(refusal);
        }
        let mut subscriber = self.lock();
        if let Some(open) = subscriber.as_ref().filter(|open| open.state() != LinkState::End) {
            return Ok(open.clone());
        }
        if self.policy.closing.load(Ordering::Acquire) {
            return Err(RedisError::closed());
        }
        let policy = self.policy.for_link(Arc::default(), self.traffic.clone());
        let link = &self.policy.options.link;
        let tasks = self.policy.context.tasks.clone();
        let open = |options: &LinkOptions, policy: Arc<dyn LinkPolicy>| {
            let policy = around(self.policy.handle.as_ref(), policy);
            Subscriber::new(self.policy.link_options(options), policy, self.router.clone(), tasks.clone())
        };
        let opened = match (&self.topology, self.locator.clone()) {
            (Some(topology), _) => {
                let location_policy =
                    LocationPolicy::anywhere(policy, topology.clone(), self.home.get().copied());
                let opened = open(&topology.options().link, location_policy.clone());
                location_policy.watch_location(&opened, &tasks);
                opened
            }
            (None, Some(locator)) => {
                let failover_policy = FailoverPolicy::new(policy, locator);
                let opened = open(link, failover_policy.clone());
                failover_policy.attach(opened.connection());
                opened
            }
            (None, None) => open(link, policy),
        };
        self.router.attach(&opened);
        *subscriber = Some(opened.clone());
        Ok(opened)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Subscriber>>> {
        self.subscriber.locked()
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.close();
    }
}
