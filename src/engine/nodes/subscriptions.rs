//! Subscriptions of producers on a node.
//!
//! Every node of a Cluster passes the messages that are published on it on to all others. They take up to 40 ms there, as
//! Redis 7.0 leaves Nagle's algorithm on between nodes. So a Cluster has a subscriber on each node with streams whose
//! completions are waited for.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use crate::redis_io::cluster::redirect::Redirect;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, LinkState};
use crate::redis_io::locked::Locked;
use crate::redis_io::pubsub::subscriber::Subscriber;

use crate::engine::connections::policy::PolicyOptions;
use crate::engine::connections::sentinel::locator::SentinelLocator;
use crate::engine::nodes::message_router::{CompletionListener, MessageRouter};
use crate::engine::nodes::subscriber_opener::SubscriberOpener;
use crate::engine::nodes::subscriber_pool::SubscriberPool;
use crate::engine::nodes::subscriber_set::{Name, OpenSubscriber};
use crate::engine::nodes::subscription_moves::follow_slots;

/// Maximum number of redirects of a subscription.
const MOST_REDIRECTS: u32 = 16;

/// The subscribers of a node, one for each node of a Cluster. Each is opened at its first use, and again after its end.
pub struct Subscriptions {
    router: Arc<MessageRouter>,
    pool: Arc<SubscriberPool>,
    /// Task that moves subscriptions after slots have moved. A lock, since any thread can begin or end it.
    moves: Mutex<Option<AbortHandle>>,
}

impl Subscriptions {
    /// Subscriptions without a connection yet.
    pub fn new(
        policy: PolicyOptions,
        topology: Option<Arc<Topology>>,
        locator: Option<Arc<SentinelLocator>>,
    ) -> Self {
        let router = MessageRouter::new(policy.node);
        let opener = SubscriberOpener::new(policy, topology, locator, router.clone());
        Self { router, pool: SubscriberPool::new(opener), moves: Mutex::default() }
    }

    /// Subscribes `producer` to a channel of its own. `stream_key` is the key of the stream that completions come
    /// from. Resolves once Redis has confirmed it.
    pub(crate) async fn subscribe(
        &self,
        producer: &Arc<dyn CompletionListener>,
        channel: Name,
        stream_key: &str,
    ) -> Result<(), RedisError> {
        let mut attempts = 0;
        loop {
            let subscribed = self.subscribe_once(producer, &channel, stream_key).await;
            let Err(error) = &subscribed else { return Ok(()) };
            attempts += 1;
            if attempts > MOST_REDIRECTS || !self.follow(error) {
                return subscribed;
            }
        }
    }

    /// Notes the new node of a slot that an error names. Returns false if it names none.
    fn follow(&self, error: &RedisError) -> bool {
        let Some(topology) = self.pool.opener().topology() else { return false };
        let Some(Redirect::Moved(slot, to)) = Redirect::read(error, &error.node) else { return false };
        topology.moved(slot, &topology.reachable(to));
        true
    }

    async fn subscribe_once(
        &self,
        producer: &Arc<dyn CompletionListener>,
        channel: &Name,
        stream_key: &str,
    ) -> Result<(), RedisError> {
        let subscriber = self.pool.place(channel, Some(stream_key))?;
        self.watch_moves();
        self.router.add_channel(channel.as_bytes().to_vec(), producer);
        let subscribed = self.unless_out(channel.subscribe(&subscriber)).await;
        if let Err(error) = &subscribed {
            self.router.remove_channel(channel.as_bytes());
            self.take_back(error, channel.clone(), &subscriber);
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
        let pattern = pattern.as_bytes();
        let name = Name::Pattern(pattern.to_vec());
        let subscriber = self.pool.place(&name, stream_key)?;
        self.watch_moves();
        self.router.add_listener(pattern, producer);
        let subscribed = self.unless_out(name.subscribe(&subscriber)).await;
        if let Err(error) = &subscribed
            && self.router.remove_listener(pattern, &Arc::downgrade(producer))
        {
            self.take_back(error, name, &subscriber);
        }
        subscribed
    }

    /// Undoes a subscription that was not confirmed. An ejected node can still carry it out.
    fn take_back(&self, error: &RedisError, name: Name, subscriber: &Subscriber) {
        self.pool.set().remove(&name);
        if error.kind == RedisErrorKind::Ejected {
            self.pool.opener().policy().context.tasks.spawn(name.unsubscribe(subscriber));
        }
    }

    async fn unless_out<T>(&self, step: BoxFuture<Result<T, RedisError>>) -> Result<T, RedisError> {
        match &self.pool.opener().policy().handle {
            Some(handle) => handle.ejection.unless_out(step).await,
            None => step.await,
        }
    }

    /// Returns true if there is a connection.
    pub(crate) fn is_open(&self) -> bool {
        self.pool.set().subscribers().any(|open| !matches!(open.state(), LinkState::End | LinkState::Wait))
    }

    /// Bytes and reconnections of its connections so far.
    pub(crate) fn totals(&self) -> Totals {
        self.pool.opener().totals()
    }

    /// Resolves once a subscriber is connected and Redis lets it in.
    pub async fn ready(&self) -> Result<(), RedisError> {
        let pong = self.pool.nearest(&mut self.pool.set(), None)?.subscriber.ping();
        self.unless_out(pong).await
    }

    /// Removes `producer` from channels and patterns. Channels and patterns without a listener are unsubscribed if
    /// there is a connection.
    pub(crate) fn forget(
        &self,
        producer: &Weak<dyn CompletionListener>,
        channels: Vec<Name>,
        patterns: Vec<String>,
    ) {
        for channel in &channels {
            self.router.remove_channel(channel.as_bytes());
        }
        let mut unused = channels;
        for pattern in patterns.into_iter().map(String::into_bytes) {
            if self.router.remove_listener(&pattern, producer) {
                unused.push(Name::Pattern(pattern));
            }
        }
        let mut set = self.pool.set();
        for name in unused {
            let Some(OpenSubscriber { subscriber, .. }) = set.remove(&name) else { continue };
            if subscriber.state() != LinkState::End {
                // The confirmation has no receiver. Messages that still arrive find no producer in the table.
                self.pool.opener().policy().context.tasks.spawn(name.unsubscribe(&subscriber));
            }
        }
        self.pool.quit_unused(&mut set);
    }

    /// Unsubscribes everything and closes the connections with QUIT, within `bound`.
    pub async fn quit(&self, bound: Duration) {
        let tasks = &self.pool.opener().policy().context.tasks;
        let mut quits = JoinSet::new();
        for subscriber in self.end() {
            quits.spawn_on(tasks.counted(async move { subscriber.quit(bound).await }), tasks.runtime());
        }
        quits.join_all().await;
    }

    /// Closes the connections at once.
    pub fn close(&self) {
        for subscriber in self.end() {
            subscriber.close();
        }
    }

    /// Forgets all subscriptions. Returns the subscribers that are open.
    fn end(&self) -> Vec<Arc<Subscriber>> {
        self.router.clear();
        if let Some(moves) = self.moves.locked().take() {
            moves.abort();
        }
        self.pool.set().take()
    }

    /// Starts the task that moves subscriptions, in a Cluster.
    fn watch_moves(&self) {
        let Some(topology) = self.pool.opener().topology() else { return };
        let mut moves = self.moves.locked();
        if moves.is_none() {
            let watch = follow_slots(Arc::downgrade(&self.pool), self.router.clone(), topology.changes());
            *moves = Some(self.pool.opener().policy().context.tasks.spawn(watch).abort_handle());
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.close();
    }
}
