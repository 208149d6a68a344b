//! One of the Redis servers of a bus, or its Cluster: the shared connection and the subscriber.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::cluster::slot_map::slot_of;
use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::metrics::Totals;
use crate::redis_io::error::RedisError;
use crate::redis_io::keys::Keys;
use crate::redis_io::link::ReplySink;
use crate::redis_io::options::QueueLimit;

use crate::engine::connections::client::{Client, ConnectionTarget};
use crate::engine::connections::ejection::Ejection;
use crate::engine::connections::ejection::link_policy::{ConnectionRole, EjectionHandle};
use crate::engine::connections::policy::PolicyOptions;
use crate::engine::connections::sentinel::locator::SentinelLocator;
use crate::engine::host::context::Context;
use crate::engine::nodes::subscriptions::Subscriptions;
use crate::engine::options::bus::{EjectOptions, NodeOptions};
use crate::engine::options::consumer::READ_GRACE;

/// A node of a bus.
pub struct Node {
    keys: Keys,
    policy: PolicyOptions,
    topology: Option<Arc<Topology>>,
    locator: Option<Arc<SentinelLocator>>,
    shared: Client,
    subscriptions: Subscriptions,
    ejection: Option<Arc<Ejection>>,
}

impl Node {
    /// A node without connections yet. Replies on its shared connection go to `sink`. With `eject` it can be
    /// ejected, and needs a monitor.
    pub(crate) fn new(
        keys: Keys,
        policy: PolicyOptions,
        sink: Arc<dyn ReplySink>,
        eject: Option<EjectOptions>,
    ) -> Arc<Self> {
        let (topology, locator) = (policy.topology(), locator_of(&policy));
        let policy = PolicyOptions { silence: policy.options.socket_timeout, ..policy };
        let ejection = eject
            .map(|eject| Ejection::new(eject, policy.context.clone(), policy.node, policy.options.clone()));
        let handle = |role| with_handle(&policy, &ejection, role);
        let target = target_of(topology.as_ref(), locator.as_ref());
        let announced = PolicyOptions { announces: true, ..handle(ConnectionRole::Shared) };
        let shared = Client::new(announced, target, sink);
        let subscriptions =
            Subscriptions::new(handle(ConnectionRole::Subscriber), topology.clone(), locator.clone());
        Arc::new(Self { keys, policy, topology, locator, shared, subscriptions, ejection })
    }

    /// Returns true if the node is ejected.
    pub fn is_out(&self) -> bool {
        self.ejection.as_ref().is_some_and(|ejection| ejection.is_out())
    }

    /// Error of every operation on it while it is ejected.
    pub(crate) fn refusal(&self) -> Option<RedisError> {
        self.ejection.as_ref().and_then(|ejection| ejection.refusal())
    }

    /// Ejection state, if the node can be ejected.
    pub(crate) fn ejection(&self) -> Option<&Arc<Ejection>> {
        self.ejection.as_ref()
    }

    /// Options of the node.
    pub(crate) fn options(&self) -> &Arc<NodeOptions> {
        &self.policy.options
    }

    /// Locator of its server, if sentinels know it.
    pub(crate) fn locator(&self) -> Option<&Arc<SentinelLocator>> {
        self.locator.as_ref()
    }

    /// State that all buses of the host share.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.policy.context
    }

    /// Number by which the host knows it.
    pub(crate) fn number(&self) -> u32 {
        self.policy.node
    }

    /// Names of its keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The shared connection, for all non-blocking commands.
    pub fn shared(&self) -> &Client {
        &self.shared
    }

    /// Limit of commands and bytes that can wait for it.
    pub(crate) fn queue(&self) -> QueueLimit {
        let options = &self.policy.options;
        options.cluster.as_ref().map_or(options.link.queue, |cluster| cluster.link.queue)
    }

    /// Prefix of the sharded channels of a stream. `None` if completions are on ordinary channels.
    pub(crate) fn sharded_channels_of(&self, stream: &str) -> Option<String> {
        let is_sharded = self.topology.is_some() && self.policy.options.has_sharded_completions;
        if is_sharded { self.keys.sharded_channels_of(stream) } else { None }
    }

    /// The subscribers.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// Bytes and reconnections of its shared connection and its subscriber so far.
    pub(crate) fn totals(&self) -> Totals {
        [self.shared.totals(), self.subscriptions.totals()].into_iter().sum()
    }

    /// Topology, if the node is a Cluster.
    pub(crate) fn topology(&self) -> Option<&Arc<Topology>> {
        self.topology.as_ref()
    }

    /// Slot of a stream's key, if the node is a Cluster. Streams of one slot share a read.
    pub(crate) fn slot(&self, key: &str) -> Option<u16> {
        self.topology.as_ref().map(|_| slot_of(key.as_bytes()))
    }

    /// A connection of the user's own. Its changes of state are reported under `number`.
    pub(crate) fn user_client(&self, sink: Arc<dyn ReplySink>, number: u32) -> Client {
        // The user decides how long to wait.
        let policy = PolicyOptions { visible: Some(number), silence: None, ..self.policy.clone() };
        Client::new(policy, target_of(self.topology.as_ref(), self.locator.as_ref()), sink)
    }

    /// A connection for blocking reads of up to `longest`. In a Cluster it follows the node of `slot`.
    pub(crate) fn blocking_client(
        &self,
        sink: Arc<dyn ReplySink>,
        slot: Option<u16>,
        longest: Duration,
    ) -> Client {
        let target = match (&self.topology, slot) {
            (Some(topology), Some(slot)) => ConnectionTarget::ClusterSlot(topology.clone(), slot),
            _ => target_of(None, self.locator.as_ref()),
        };
        let grace = self.policy.options.socket_timeout.map_or(READ_GRACE, |limit| limit.min(READ_GRACE));
        let policy = PolicyOptions {
            silence: Some(longest + grace),
            ..with_handle(&self.policy, &self.ejection, ConnectionRole::Reader)
        };
        Client::new(policy, target, sink)
    }

    /// Closes both connections with QUIT, each within `bound`, and ends the locator and the monitor.
    pub(crate) async fn quit(&self, bound: Duration) {
        tokio::join!(self.subscriptions.quit(bound), self.shared.quit(bound));
        if let Some(locator) = &self.locator {
            locator.close();
        }
        if let Some(ejection) = &self.ejection {
            ejection.reset();
        }
    }
}

impl Drop for Node {
    /// Ends the monitor.
    fn drop(&mut self) {
        if let Some(ejection) = &self.ejection {
            ejection.reset();
        }
    }
}

fn with_handle(
    policy: &PolicyOptions,
    ejection: &Option<Arc<Ejection>>,
    role: ConnectionRole,
) -> PolicyOptions {
    let handle = ejection.clone().map(|ejection| EjectionHandle { ejection, role });
    PolicyOptions { handle, ..policy.clone() }
}

/// Locator of the server that the options name by sentinels, if they name any.
fn locator_of(policy: &PolicyOptions) -> Option<Arc<SentinelLocator>> {
    let sentinels = policy.options.sentinels.clone()?;
    Some(SentinelLocator::new(sentinels, policy.context.tasks.clone(), policy.closing.clone()))
}

fn target_of(topology: Option<&Arc<Topology>>, locator: Option<&Arc<SentinelLocator>>) -> ConnectionTarget {
    match (topology, locator) {
        (Some(topology), _) => ConnectionTarget::Cluster(topology.clone()),
        (None, Some(locator)) => ConnectionTarget::Sentinel(locator.clone()),
        (None, None) => ConnectionTarget::Single,
    }
}
