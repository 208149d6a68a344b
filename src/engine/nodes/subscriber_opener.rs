//! Opens the subscribers of a node.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::connection::metrics::{Totals, Traffic};
use crate::redis_io::error::RedisError;
use crate::redis_io::link::LinkPolicy;
use crate::redis_io::options::LinkOptions;
use crate::redis_io::pubsub::subscriber::Subscriber;

use crate::engine::connections::cluster_location::LocationPolicy;
use crate::engine::connections::ejection::link_policy::around;
use crate::engine::connections::policy::PolicyOptions;
use crate::engine::connections::sentinel::failover_policy::FailoverPolicy;
use crate::engine::connections::sentinel::locator::SentinelLocator;
use crate::engine::nodes::message_router::MessageRouter;
use crate::engine::nodes::resubscription::Resubscription;
use crate::engine::nodes::subscriber_set::OpenSubscriber;

/// Inputs of each subscriber of a node.
pub(crate) struct SubscriberOpener {
    policy: PolicyOptions,
    /// Topology, if the node is a Cluster.
    topology: Option<Arc<Topology>>,
    /// Locator of its server, if sentinels know it.
    locator: Option<Arc<SentinelLocator>>,
    router: Arc<MessageRouter>,
    traffic: Arc<Traffic>,
}

impl SubscriberOpener {
    /// An opener of subscribers whose messages go to `router`.
    pub(crate) fn new(
        policy: PolicyOptions,
        topology: Option<Arc<Topology>>,
        locator: Option<Arc<SentinelLocator>>,
        router: Arc<MessageRouter>,
    ) -> Self {
        Self { policy, topology, locator, router, traffic: Arc::default() }
    }

    /// Options of every connection of the node.
    pub(crate) fn policy(&self) -> &PolicyOptions {
        &self.policy
    }

    /// Topology, if the node is a Cluster.
    pub(crate) fn topology(&self) -> Option<&Arc<Topology>> {
        self.topology.as_ref()
    }

    /// Bytes and reconnections of all subscribers so far.
    pub(crate) fn totals(&self) -> Totals {
        self.traffic.totals()
    }

    /// Opens a subscriber. In a Cluster it follows the node of `slot`, or is on any node without one. Returns an error if
    /// the bus is closing.
    pub(crate) fn open(&self, slot: Option<u16>) -> Result<OpenSubscriber, RedisError> {
        if self.policy.closing.load(Ordering::Acquire) {
            return Err(RedisError::closed());
        }
        let resubscription =
            Resubscription::new(self.policy.context.clone(), self.router.clone(), self.topology.clone());
        let subscriber = self.subscriber(slot, &resubscription);
        resubscription.attach(&subscriber);
        Ok(OpenSubscriber { slot: slot.filter(|_| self.topology.is_some()), subscriber })
    }

    fn subscriber(&self, slot: Option<u16>, pushes: &Arc<Resubscription>) -> Arc<Subscriber> {
        let policy = self.policy.for_link(Arc::default(), self.traffic.clone(), false);
        let tasks = &self.policy.context.tasks;
        let open = |options: &LinkOptions, policy: Arc<dyn LinkPolicy>| {
            let policy = around(self.policy.handle.as_ref(), policy);
            Subscriber::new(self.policy.link_options(options), policy, pushes.clone(), tasks.clone())
        };
        let link = &self.policy.options.link;
        match (&self.topology, self.locator.clone()) {
            (Some(topology), _) => {
                let location_policy = match slot {
                    Some(slot) => LocationPolicy::new(policy, topology.clone(), slot),
                    None => LocationPolicy::anywhere(policy, topology.clone()),
                };
                let opened = open(&topology.options().link, location_policy.clone());
                location_policy.watch_location(&opened, tasks);
                opened
            }
            (None, Some(locator)) => {
                let failover_policy = FailoverPolicy::new(policy, locator);
                let opened = open(link, failover_policy.clone());
                failover_policy.attach(opened.connection());
                opened
            }
            (None, None) => open(link, policy),
        }
    }
}
