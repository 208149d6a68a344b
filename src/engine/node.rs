//! One of the Redis servers of a bus, or its Cluster: the shared connection and the subscriber.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::keys::Keys;
use crate::redis_io::link::ReplySink;
use crate::redis_io::options::QueueLimit;
use crate::redis_io::slot_map::slot_of;
use crate::redis_io::topology::Topology;

use super::client::{Client, PolicyOptions, Way};
use super::options::READ_GRACE;
use super::resolver::Resolver;
use super::subscriptions::Subscriptions;

/// A node.
pub struct Node {
    keys: Keys,
    policy: PolicyOptions,
    topology: Option<Arc<Topology>>,
    resolver: Option<Arc<Resolver>>,
    shared: Client,
    subscriptions: Subscriptions,
}

impl Node {
    /// A node that is not connected yet; replies on its shared connection go to `sink`.
    pub(super) fn new(keys: Keys, policy: PolicyOptions, sink: Arc<dyn ReplySink>) -> Self {
        let (topology, resolver) = (policy.topology(), policy.resolver());
        let policy = PolicyOptions { silence: policy.options.socket_timeout, ..policy };
        let shared = Client::new(policy.clone(), way_of(topology.as_ref(), resolver.as_ref()), sink);
        let subscriptions = Subscriptions::new(policy.clone(), topology.clone(), resolver.clone());
        Self { keys, policy, topology, resolver, shared, subscriptions }
    }

    /// The names of keys on it.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The connection for everything that does not wait.
    pub fn shared(&self) -> &Client {
        &self.shared
    }

    /// How much may wait for it.
    pub(super) fn queue(&self) -> QueueLimit {
        let options = &self.policy.options;
        options.cluster.as_ref().map_or(options.link.queue, |cluster| cluster.link.queue)
    }

    /// The subscriber.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// Who has which slots, if it is a Cluster.
    pub(super) fn topology(&self) -> Option<&Arc<Topology>> {
        self.topology.as_ref()
    }

    /// What streams that one read is of have in common: the slot, if it is a Cluster.
    pub(super) fn slot(&self, key: &str) -> Option<u16> {
        self.topology.as_ref().map(|_| slot_of(key.as_bytes()))
    }

    /// A connection of the user's own, whose changes of state are reported under `number`.
    pub(super) fn user_client(&self, sink: Arc<dyn ReplySink>, number: u32) -> Client {
        // What the user waits for, and for how long, is the user's own business.
        let policy = PolicyOptions { visible: Some(number), silence: None, ..self.policy.clone() };
        Client::new(policy, way_of(self.topology.as_ref(), self.resolver.as_ref()), sink)
    }

    /// A connection to wait on for entries, for up to `longest`; in a Cluster one to whoever has `slot`.
    pub(super) fn blocking_client(
        &self,
        sink: Arc<dyn ReplySink>,
        slot: Option<u16>,
        longest: Duration,
    ) -> Client {
        let way = match (&self.topology, slot) {
            (Some(topology), Some(slot)) => Way::Slot(topology.clone(), slot),
            _ => way_of(None, self.resolver.as_ref()),
        };
        let grace = self.policy.options.socket_timeout.map_or(READ_GRACE, |limit| limit.min(READ_GRACE));
        let policy = PolicyOptions { silence: Some(longest + grace), ..self.policy.clone() };
        Client::new(policy, way, sink)
    }

    /// Closes both connections with QUIT, each within `bound`, and whatever was open to find it.
    pub(super) async fn quit(&self, bound: Duration) {
        self.subscriptions.quit(bound).await;
        self.shared.quit(bound).await;
        if let Some(resolver) = &self.resolver {
            resolver.close();
        }
    }
}

fn way_of(topology: Option<&Arc<Topology>>, resolver: Option<&Arc<Resolver>>) -> Way {
    match (topology, resolver) {
        (Some(topology), _) => Way::Cluster(topology.clone()),
        (None, Some(resolver)) => Way::Named(resolver.clone()),
        (None, None) => Way::One,
    }
}
