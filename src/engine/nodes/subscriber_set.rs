//! Open subscribers of a node, and the names on each. A Cluster has one subscriber for each of its nodes at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::redis_io::cluster::topology::Topology;
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, LinkState};
use crate::redis_io::pubsub::subscriber::Subscriber;

/// Channel or pattern of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// Channel of a producer.
    Channel(Vec<u8>),
    /// Pattern of a user.
    Pattern(Vec<u8>),
    /// Sharded channel of a producer.
    Sharded(Vec<u8>),
}

impl Name {
    /// The channel or the pattern.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Channel(name) | Self::Pattern(name) | Self::Sharded(name) => name,
        }
    }

    /// Subscribes to it. Submits at the call.
    pub(crate) fn subscribe(&self, on: &Subscriber) -> BoxFuture<Result<(), RedisError>> {
        match self.clone() {
            Self::Channel(channel) => on.subscribe(vec![channel]),
            Self::Pattern(pattern) => on.psubscribe(vec![pattern]),
            Self::Sharded(channel) => on.ssubscribe(vec![channel]),
        }
    }

    /// Unsubscribes from it. Submits at the call.
    pub(crate) fn unsubscribe(&self, on: &Subscriber) -> BoxFuture<Result<(), RedisError>> {
        match self.clone() {
            Self::Channel(channel) => on.unsubscribe(vec![channel]),
            Self::Pattern(pattern) => on.punsubscribe(vec![pattern]),
            Self::Sharded(channel) => on.sunsubscribe(vec![channel]),
        }
    }
}

/// A subscriber, and the slot whose node it follows.
#[derive(Clone)]
pub(crate) struct OpenSubscriber {
    /// Slot of the first stream that it was opened for. Without a Cluster, and for patterns of any stream, it has none.
    pub(crate) slot: Option<u16>,
    /// The connection.
    pub(crate) subscriber: Arc<Subscriber>,
}

/// Subscriber of a name.
struct Placement {
    /// Slot of the stream that the messages are about.
    slot: Option<u16>,
    on: OpenSubscriber,
}

/// Subscribers of a node.
#[derive(Default)]
pub(crate) struct SubscriberSet {
    open: Vec<OpenSubscriber>,
    names: BTreeMap<Name, Placement>,
}

impl SubscriberSet {
    /// Removes subscribers that have ended, with their names.
    pub(crate) fn remove_ended(&mut self) {
        let is_open = |open: &OpenSubscriber| open.subscriber.state() != LinkState::End;
        self.open.retain(is_open);
        self.names.retain(|_, placement| is_open(&placement.on));
    }

    /// Adds a subscriber.
    pub(crate) fn add(&mut self, open: OpenSubscriber) {
        self.open.push(open);
    }

    /// Returns the subscriber on the node of a slot. Any will do without a slot, or while the slots are unknown.
    pub(crate) fn on_node_of(
        &self,
        slot: Option<u16>,
        topology: Option<&Topology>,
    ) -> Option<&OpenSubscriber> {
        let known = slot.zip(topology).filter(|(slot, topology)| topology.node_of(*slot).is_some());
        self.open.iter().find(|open| match known {
            Some((slot, topology)) => open.slot.is_some_and(|own| topology.is_one_node(own, slot)),
            None => true,
        })
    }

    /// Returns the subscriber of a name.
    pub(crate) fn of(&self, name: &Name) -> Option<&OpenSubscriber> {
        self.names.get(name).map(|placement| &placement.on)
    }

    /// Notes the subscriber of a name.
    pub(crate) fn place(&mut self, name: Name, slot: Option<u16>, on: OpenSubscriber) {
        self.names.insert(name, Placement { slot, on });
    }

    /// Removes a name. Returns its subscriber.
    pub(crate) fn remove(&mut self, name: &Name) -> Option<OpenSubscriber> {
        self.names.remove(name).map(|placement| placement.on)
    }

    /// Names that belong on another subscriber: on that of their node, or on one that is to be opened.
    pub(crate) fn misplaced(&self, topology: &Topology) -> Vec<(Name, u16)> {
        let names = self.names.iter().filter_map(|(name, placement)| {
            let slot = placement.slot?;
            let right = self.on_node_of(Some(slot), Some(topology));
            let is_right = right.is_some_and(|open| Arc::ptr_eq(&open.subscriber, &placement.on.subscriber));
            (!is_right).then(|| (name.clone(), slot))
        });
        names.collect()
    }

    /// Removes the subscribers without names, apart from the last subscriber and those that are not ready yet.
    pub(crate) fn take_unused(&mut self) -> Vec<Arc<Subscriber>> {
        let mut unused = Vec::new();
        let mut left = self.open.len();
        let names = &self.names;
        self.open.retain(|open| {
            let is_used =
                names.values().any(|placement| Arc::ptr_eq(&placement.on.subscriber, &open.subscriber));
            if is_used || left == 1 || open.subscriber.state() != LinkState::Ready {
                return true;
            }
            left -= 1;
            unused.push(open.subscriber.clone());
            false
        });
        unused
    }

    /// The subscribers.
    pub(crate) fn subscribers(&self) -> impl Iterator<Item = &Arc<Subscriber>> {
        self.open.iter().map(|open| &open.subscriber)
    }

    /// Removes and returns all subscribers.
    pub(crate) fn take(&mut self) -> Vec<Arc<Subscriber>> {
        self.names.clear();
        self.open.drain(..).map(|open| open.subscriber).collect()
    }
}
