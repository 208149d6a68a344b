//! The one subscriber of a bus, and which producer hears what through it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, LinkPolicy, LinkState, PushSink};
use crate::redis_io::options::LinkOptions;
use crate::redis_io::pubsub::Subscriber;
use crate::redis_io::topology::Topology;

use super::client::{PolicyOptions, closed};
use super::context::Context;
use super::follower::Follower;
use super::host::Event;
use super::locating::Located;
use super::producer::{Producer, Source};
use super::resolver::Resolver;
use super::watched::around;

/// The subscriber of a bus, opened when first used, and again after it has ended.
pub struct Subscriptions {
    policy: PolicyOptions,
    /// If it is of a Cluster, every node of which hears what is published on any.
    topology: Option<Arc<Topology>>,
    /// If sentinels know where it is.
    resolver: Option<Arc<Resolver>>,
    router: Arc<Router>,
    subscriber: Mutex<Option<Arc<Subscriber>>>,
}

/// Finds the producers that a message is for.
struct Router {
    context: Arc<Context>,
    /// The number of the node whose messages it gets.
    node: u32,
    /// A lock, since producers subscribe from the host's thread while messages arrive on the engine's.
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    channels: HashMap<Vec<u8>, Weak<Producer>>,
    patterns: HashMap<Vec<u8>, Vec<Weak<Producer>>>,
}

impl Subscriptions {
    /// No subscriptions yet.
    pub fn new(
        policy: PolicyOptions,
        topology: Option<Arc<Topology>>,
        resolver: Option<Arc<Resolver>>,
    ) -> Self {
        let router =
            Arc::new(Router { context: policy.context.clone(), node: policy.node, table: Mutex::default() });
        Self { policy, topology, resolver, router, subscriber: Mutex::default() }
    }

    /// Subscribes `producer` to a channel of its own; resolves once Redis has confirmed it.
    pub async fn subscribe(&self, producer: &Arc<Producer>, channel: String) -> Result<(), RedisError> {
        let (subscriber, channel) = (self.subscriber()?, channel.into_bytes());
        self.router.lock().channels.insert(channel.clone(), Arc::downgrade(producer));
        let subscribed = self.unless_out(subscriber.subscribe(vec![channel.clone()])).await;
        if let Err(error) = &subscribed {
            self.router.lock().channels.remove(&channel);
            self.take_back(error, || subscriber.unsubscribe(vec![channel]));
        }
        subscribed
    }

    /// Adds `producer` to those that hear a pattern; resolves once Redis has confirmed it.
    pub async fn subscribe_pattern(&self, producer: &Arc<Producer>, pattern: &str) -> Result<(), RedisError> {
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

    /// What an ejected node has not confirmed it may do yet, when it is back.
    fn take_back(&self, error: &RedisError, undo: impl FnOnce() -> BoxFuture<Result<(), RedisError>>) {
        if error.kind == RedisErrorKind::Ejected {
            self.policy.context.runtime.spawn(undo());
        }
    }

    async fn unless_out<T>(&self, step: BoxFuture<Result<T, RedisError>>) -> Result<T, RedisError> {
        match &self.policy.part {
            Some(part) => part.ejection.unless_out(step).await,
            None => step.await,
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_open(&self) -> bool {
        self.lock().as_ref().is_some_and(|open| !matches!(open.state(), LinkState::End | LinkState::Wait))
    }

    /// Resolves once the subscriber is connected and Redis lets it in.
    pub async fn ready(&self) -> Result<(), RedisError> {
        let pong = self.subscriber()?.ping();
        self.unless_out(pong).await
    }

    /// `producer` hears nothing any more. What nobody else hears is unsubscribed, if the connection is there.
    pub fn forget(&self, producer: &Weak<Producer>, channels: Vec<String>, patterns: Vec<String>) {
        let channels: Vec<Vec<u8>> = channels.into_iter().map(String::into_bytes).collect();
        for channel in &channels {
            self.router.lock().channels.remove(channel);
        }
        let mut unheard = Vec::new();
        for pattern in patterns {
            if self.router.remove_listener(pattern.as_bytes(), producer) {
                unheard.push(pattern.into_bytes());
            }
        }
        let Some(subscriber) = self.lock().clone() else { return };
        if subscriber.state() == LinkState::End {
            return;
        }
        // Nobody waits for the confirmations: whatever still arrives finds no producer in the table.
        let runtime = &self.policy.context.runtime;
        if !channels.is_empty() {
            runtime.spawn(subscriber.unsubscribe(channels));
        }
        if !unheard.is_empty() {
            runtime.spawn(subscriber.punsubscribe(unheard));
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
        if let Some(refusal) = self.policy.part.as_ref().and_then(|part| part.ejection.refusal()) {
            return Err(refusal);
        }
        let mut subscriber = self.lock();
        if let Some(open) = subscriber.as_ref().filter(|open| open.state() != LinkState::End) {
            return Ok(open.clone());
        }
        if self.policy.closing.load(Ordering::Acquire) {
            return Err(closed());
        }
        let policy = self.policy.for_link(Arc::default());
        let link = &self.policy.options.link;
        let runtime = self.policy.context.runtime.clone();
        let open = |options: &LinkOptions, policy: Arc<dyn LinkPolicy>| {
            let policy = around(self.policy.part.as_ref(), policy);
            Subscriber::new(self.policy.watched(options), policy, self.router.clone(), runtime.clone())
        };
        let opened = match (&self.topology, self.resolver.clone()) {
            (Some(topology), _) => {
                let located = Located::new(policy, topology.clone(), None);
                let opened = open(&topology.options().link, located.clone());
                located.keep_right(&opened, &runtime);
                opened
            }
            (None, Some(resolver)) => {
                let follower = Follower::new(policy, resolver);
                let opened = open(link, follower.clone());
                follower.belong_to(opened.connection());
                opened
            }
            (None, None) => open(link, policy),
        };
        *subscriber = Some(opened.clone());
        Ok(opened)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Subscriber>>> {
        self.subscriber.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.close();
    }
}

impl Router {
    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn clear(&self) {
        *self.lock() = Table::default();
    }

    /// Everybody who hears anything, once.
    fn producers(&self) -> BTreeMap<u32, Arc<Producer>> {
        let table = self.lock();
        let listeners: Vec<_> =
            table.channels.values().chain(table.patterns.values().flatten()).cloned().collect();
        drop(table);
        listeners.iter().filter_map(Weak::upgrade).map(|producer| (producer.number(), producer)).collect()
    }

    fn add_listener(&self, pattern: &[u8], producer: &Arc<Producer>) {
        let mut table = self.lock();
        let listeners = table.patterns.entry(pattern.to_vec()).or_default();
        let producer = Arc::downgrade(producer);
        if !listeners.iter().any(|listener| listener.ptr_eq(&producer)) {
            listeners.push(producer);
        }
    }

    /// Whether nobody hears the pattern any more.
    fn remove_listener(&self, pattern: &[u8], producer: &Weak<Producer>) -> bool {
        let mut table = self.lock();
        let Some(listeners) = table.patterns.get_mut(pattern) else { return false };
        listeners.retain(|listener| listener.strong_count() > 0 && !listener.ptr_eq(producer));
        let unheard = listeners.is_empty();
        if unheard {
            table.patterns.remove(pattern);
        }
        unheard
    }
}

impl PushSink for Router {
    fn message(&self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
        let Some(pattern) = pattern else {
            let producer = self.lock().channels.get(channel).and_then(Weak::upgrade);
            if let Some(producer) = producer {
                producer.hear(Source::Own, channel, payload);
            }
            return;
        };
        let listeners = self.lock().patterns.get(pattern).cloned().unwrap_or_default();
        for producer in listeners.iter().filter_map(Weak::upgrade) {
            producer.hear(Source::Pattern(pattern), channel, payload);
        }
    }

    fn resubscribed(&self) {
        for producer in self.producers().values() {
            producer.doubt(self.node);
        }
    }

    fn resubscription_refused(&self, error: &RedisError) {
        for producer in self.producers().into_keys() {
            self.context.host.event(Event::ProducerFailed { producer, error });
        }
        self.context.host.wake();
    }

    fn burst_end(&self) {
        self.context.host.wake();
    }
}
