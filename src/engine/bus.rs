//! A bus: the nodes it is on, its consumers and producers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::redis_io::keys::Keys;

use crate::engine::connections::client::{Client, PolicyOptions};
use crate::engine::connections::reconnects::Returns;
use crate::engine::consumer::Consumer;
use crate::engine::host::context::Context;
use crate::engine::nodes::node::Node;
use crate::engine::nodes::reply_router::Replies;
use crate::engine::nodes::routing::Ring;
use crate::engine::options::BusOptions;
use crate::engine::producer::Producer;

/// A bus.
pub struct Bus {
    context: Arc<Context>,
    /// The names of groups and channels, which are the same on every node.
    keys: Keys,
    nodes: Vec<Arc<Node>>,
    ring: Ring,
    replies: Arc<Replies>,
    closing: Arc<AtomicBool>,
    returns: Arc<Returns>,
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
    /// A bus that is not connected yet. The host knows it, and its first node, by `number`, and the nodes behind
    /// that by the numbers that follow.
    pub fn new(context: Arc<Context>, number: u32, options: BusOptions) -> Arc<Self> {
        let (bus_prefix, eject) = (options.key_prefix, options.eject);
        let replies = Replies::new(context.host.clone());
        let (closing, returns) = (Arc::<AtomicBool>::default(), Arc::<Returns>::default());
        let ring = Ring::new(options.nodes.iter().map(|node| node.static_routes.as_slice()));
        let nodes = options.nodes.into_iter().zip(number..).map(|(options, number)| {
            let keys = Keys::on_node(&bus_prefix, &options.key_prefix);
            let policy = PolicyOptions {
                context: context.clone(),
                options: Arc::new(options),
                node: number,
                visible: None,
                announces: false,
                silence: None,
                closing: closing.clone(),
                returns: returns.clone(),
                part: None,
            };
            Node::new(keys, policy, replies.clone(), eject)
        });
        let nodes = nodes.collect();
        Arc::new(Self {
            keys: Keys::new(&bus_prefix),
            nodes,
            ring,
            replies,
            closing,
            returns,
            context,
            members: Mutex::default(),
        })
    }

    /// Nothing is opened any more until `reopen`.
    pub(crate) fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Connections are opened again when they are used.
    pub fn reopen(&self) {
        self.closing.store(false, Ordering::Release);
    }

    /// The names of groups and channels.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What it shares with the other buses of its host.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// When its connections were there again.
    pub(crate) fn returns(&self) -> &Returns {
        &self.returns
    }

    /// The nodes, in the order in which routes count them.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The index of the node that a route leads to.
    pub fn route(&self, route: &str) -> usize {
        self.ring.node(route)
    }

    /// The node that hears of a stream's completions, wherever the stream itself is.
    pub fn node_of_completions(&self, stream: &str) -> &Arc<Node> {
        &self.nodes[self.route(stream)]
    }

    /// A connection of the user's own to a node, whose changes of state are reported under `number`.
    pub fn user_client(&self, node: usize, number: u32) -> Arc<Client> {
        let client = Arc::new(self.nodes[node].user_client(self.replies.clone(), number));
        self.members().clients.push(Arc::downgrade(&client));
        client
    }

    pub(crate) fn add_consumer(&self, consumer: &Arc<Consumer>) {
        self.replies.add_consumer(consumer);
        let mut members = self.members();
        members.consumers.retain(|consumer| consumer.strong_count() > 0);
        members.consumers.push(Arc::downgrade(consumer));
    }

    pub(crate) fn add_producer(&self, producer: &Arc<Producer>) {
        self.replies.add_producer(producer);
        let mut members = self.members();
        members.producers.retain(|producer| producer.strong_count() > 0);
        members.producers.push(Arc::downgrade(producer));
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
        self.members.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
