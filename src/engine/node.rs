//! One of the Redis servers of a bus: its shared connection and its subscriber.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::keys::Keys;
use crate::redis_io::link::ReplySink;

use super::client::{Client, PolicyOptions};
use super::subscriptions::Subscriptions;

/// A node.
pub struct Node {
    keys: Keys,
    policy: PolicyOptions,
    shared: Client,
    subscriptions: Subscriptions,
}

impl Node {
    /// A node that is not connected yet; replies on its shared connection go to `sink`.
    pub(super) fn new(keys: Keys, policy: PolicyOptions, sink: Arc<dyn ReplySink>) -> Self {
        let (shared, subscriptions) = (Client::new(policy.clone(), sink), Subscriptions::new(policy.clone()));
        Self { keys, policy, shared, subscriptions }
    }

    /// The names of keys on it.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The connection for everything that does not wait.
    pub fn shared(&self) -> &Client {
        &self.shared
    }

    /// The subscriber.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// A connection of its own whose replies go to `sink`; its changes of state are reported under `visible`.
    pub(super) fn client(&self, sink: Arc<dyn ReplySink>, visible: Option<u32>) -> Client {
        Client::new(PolicyOptions { visible, ..self.policy.clone() }, sink)
    }

    /// Closes both connections with QUIT, each within `bound`.
    pub(super) async fn quit(&self, bound: Duration) {
        self.subscriptions.quit(bound).await;
        self.shared.quit(bound).await;
    }
}
