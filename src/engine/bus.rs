//! One bus on one Redis: its shared connection, its subscriber, its consumers and producers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::redis_io::keys::Keys;
use crate::redis_io::link::ReplySink;

use super::client::{Client, Context, PolicyOptions};
use super::consumer::Consumer;
use super::options::BusOptions;
use super::producer::Producer;
use super::replies::Replies;
use super::subscriptions::Subscriptions;

/// A bus.
pub struct Bus {
    policy: PolicyOptions,
    context: Arc<Context>,
    keys: Keys,
    replies: Arc<Replies>,
    shared: Client,
    subscriptions: Subscriptions,
    /// A lock, since members come on the host's thread and are gone through on the engine's.
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    consumers: Vec<Weak<Consumer>>,
    producers: Vec<Weak<Producer>>,
    clients: Vec<Weak<Client>>,
}

impl Bus {
    /// A bus with the number by which the host knows it. Does no I/O.
    pub fn new(context: Arc<Context>, number: u32, options: BusOptions) -> Arc<Self> {
        let keys = Keys::new(&options.key_prefix);
        let replies = Replies::new(context.host.clone());
        let policy = PolicyOptions {
            context: context.clone(),
            options: Arc::new(options),
            bus: number,
            visible: None,
            closing: Arc::default(),
        };
        Arc::new(Self {
            keys,
            shared: Client::new(policy.clone(), replies.clone()),
            subscriptions: Subscriptions::new(policy.clone()),
            members: Mutex::default(),
            replies,
            policy,
            context,
        })
    }

    /// Nothing is opened any more until `reopen`.
    pub(super) fn begin_closing(&self) {
        self.policy.closing.store(true, Ordering::Release);
    }

    /// Connections are opened again when they are used.
    pub fn reopen(&self) {
        self.policy.closing.store(false, Ordering::Release);
    }

    /// The names of this bus.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What it shares with the other buses of its host.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The connection for everything that does not wait.
    pub fn shared(&self) -> &Client {
        &self.shared
    }

    /// The subscriber.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// A connection of the user's own, whose changes of state are reported under the number returned.
    pub fn user_client(&self, number: u32) -> Arc<Client> {
        let policy = PolicyOptions { visible: Some(number), ..self.policy.clone() };
        let client = Arc::new(Client::new(policy, self.replies.clone()));
        self.members().clients.push(Arc::downgrade(&client));
        client
    }

    /// A connection whose replies go to `sink`.
    pub(super) fn client(&self, sink: Arc<dyn ReplySink>) -> Client {
        Client::new(self.policy.clone(), sink)
    }

    pub(super) fn add_consumer(&self, consumer: &Arc<Consumer>) {
        self.replies.add_consumer(consumer);
        let mut members = self.members();
        members.consumers.retain(|consumer| consumer.strong_count() > 0);
        members.consumers.push(Arc::downgrade(consumer));
    }

    pub(super) fn add_producer(&self, producer: &Arc<Producer>) {
        let mut members = self.members();
        members.producers.retain(|producer| producer.strong_count() > 0);
        members.producers.push(Arc::downgrade(producer));
    }

    pub(super) fn consumers(&self) -> Vec<Arc<Consumer>> {
        self.members().consumers.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn producers(&self) -> Vec<Arc<Producer>> {
        self.members().producers.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn clients(&self) -> Vec<Arc<Client>> {
        self.members().clients.iter().filter_map(Weak::upgrade).collect()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
