//! Channels on which the chunks of result streams are published, for all readers of a bus.

use std::sync::{Arc, Weak};

use crate::redis_io::error::RedisError;

use crate::engine::host::Event;
use crate::engine::nodes::message_router::{CompletionListener, MessageSource};
use crate::engine::nodes::node::Node;
use crate::engine::nodes::node_set::NodeSet;
use crate::engine::nodes::subscriber_set::Name;

/// Place and names of the result of a job for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPlace {
    /// Index of the node, which is that of the job's payload keys.
    pub node: usize,
    /// Key of the result stream.
    pub key: String,
    /// Channel of its chunks.
    pub channel: String,
}

/// Subscriptions to result channels. The host knows them by a number that no producer has.
pub struct ResultChannels {
    number: u32,
    this: Weak<ResultChannels>,
    node_set: Arc<NodeSet>,
}

impl ResultChannels {
    /// Without subscriptions. Does no I/O.
    pub fn new(node_set: Arc<NodeSet>, number: u32) -> Arc<Self> {
        Arc::new_cyclic(|this| Self { number, this: this.clone(), node_set })
    }

    /// Returns the number by which the host knows it.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the nodes of its bus.
    pub fn node_set(&self) -> &Arc<NodeSet> {
        &self.node_set
    }

    /// Returns place and names of a result.
    pub fn place(&self, stream: &str, group: &str, job: &str) -> ResultPlace {
        place(&self.node_set, stream, group, job)
    }

    /// Subscribes to the channel of a result. Resolves once Redis has confirmed it.
    pub async fn subscribe(
        self: Arc<Self>,
        node: usize,
        key: String,
        channel: String,
    ) -> Result<(), RedisError> {
        let listener: Arc<dyn CompletionListener> = self.clone();
        let node = self.node(node).ok_or_else(RedisError::closed)?;
        node.subscriptions().subscribe(&listener, Name::Channel(channel.into_bytes()), &key).await
    }

    /// Unsubscribes from a channel.
    pub fn unsubscribe(&self, node: usize, channel: String) {
        let listener: Weak<dyn CompletionListener> = self.this.clone();
        if let Some(node) = self.node(node) {
            node.subscriptions().forget(&listener, vec![Name::Channel(channel.into_bytes())], Vec::new());
        }
    }

    fn node(&self, node: usize) -> Option<&Arc<Node>> {
        self.node_set.nodes().get(node)
    }
}

/// Returns place and names of a result.
pub fn place(node_set: &NodeSet, stream: &str, group: &str, job: &str) -> ResultPlace {
    let node = node_set.route(job);
    let key = node_set.nodes()[node].keys().result(stream, group, job);
    ResultPlace { node, key, channel: node_set.keys().result_channel(stream, group, job) }
}

impl CompletionListener for ResultChannels {
    fn number(&self) -> u32 {
        self.number
    }

    fn on_message(&self, _source: MessageSource<'_>, channel: &[u8], message: &[u8]) {
        let host = &self.node_set.context().host;
        host.event(Event::ChunksPublished { listener: self.number, channel, message });
    }

    fn on_gap(&self, node: u32) {
        self.node_set.context().host.event(Event::ChunksMissed { listener: self.number, node });
        self.node_set.context().host.wake();
    }
}
