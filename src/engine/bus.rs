//! A bus: its nodes, its consumers and its producers.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::redis_io::locked::Locked;

use crate::engine::connections::client::Client;
use crate::engine::consumer::Consumer;
use crate::engine::host::context::Context;
use crate::engine::nodes::node::Node;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::options::bus::BusOptions;
use crate::engine::options::consumer::ConsumerOptions;
use crate::engine::producer::Producer;

/// A bus with its members.
pub struct Bus {
    node_set: Arc<NodeSet>,
    /// A lock, since members are added on the host's thread and listed on the engine's.
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    consumers: Vec<Weak<Consumer>>,
    producers: Vec<Weak<Producer>>,
    clients: Vec<Weak<Client>>,
}

impl Bus {
    /// A bus without connections yet. The host knows it and its first node by `number`, and the other nodes by the
    /// numbers that follow.
    pub fn new(context: Arc<Context>, number: u32, options: BusOptions) -> Arc<Self> {
        Arc::new(Self { node_set: NodeSet::new(context, number, options), members: Mutex::default() })
    }

    /// The nodes and the state that the members share.
    pub fn node_set(&self) -> &Arc<NodeSet> {
        &self.node_set
    }

    /// State that all buses of the host share.
    pub fn context(&self) -> &Arc<Context> {
        self.node_set.context()
    }

    /// The nodes, in the order in which routes count them.
    pub fn nodes(&self) -> &[Arc<Node>] {
        self.node_set.nodes()
    }

    /// A consumer that the host knows by `number`. Does no I/O.
    pub fn consumer(&self, number: u32, options: ConsumerOptions) -> Arc<Consumer> {
        let consumer = Consumer::new(self.node_set.clone(), number, options);
        add(&mut self.members().consumers, &consumer);
        consumer
    }

    /// A producer that the host knows by `number`. Does no I/O.
    pub fn producer(&self, number: u32, id: String) -> Arc<Producer> {
        let producer = Producer::new(self.node_set.clone(), number, id);
        add(&mut self.members().producers, &producer);
        producer
    }

    /// A connection of the user's own to a node. Its changes of state are reported under `number`.
    pub fn user_client(&self, node: usize, number: u32) -> Arc<Client> {
        let client = self.node_set.user_client(node, number);
        add(&mut self.members().clients, &client);
        client
    }

    pub(crate) fn consumers(&self) -> Vec<Arc<Consumer>> {
        self.members().consumers.iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn producers(&self) -> Vec<Arc<Producer>> {
        self.members().producers.iter().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn clients(&self) -> Vec<Arc<Client>> {
        self.members().clients.iter().filter_map(Weak::upgrade).collect()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.locked()
    }
}

/// Adds a member, and removes members that were dropped.
fn add<T>(members: &mut Vec<Weak<T>>, member: &Arc<T>) {
    members.retain(|member| member.strong_count() > 0);
    members.push(Arc::downgrade(member));
}
