//! Routes messages of the subscribers of a node to producers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::redis_io::locked::Locked;
use crate::redis_io::world::map::HashMap;

/// Subscription through which a message reached a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageSource<'a> {
    /// The own channel of the producer.
    Own,
    /// A pattern of the user's.
    Pattern(&'a [u8]),
}

/// Receives the messages of channels and patterns.
pub trait CompletionListener: Send + Sync {
    /// Number by which the host knows the listener.
    fn number(&self) -> u32;
    /// Takes a message.
    fn on_message(&self, source: MessageSource<'_>, channel: &[u8], message: &[u8]);
    /// Reports that the subscriber of a node was disconnected, so that messages can be missing. `node` is the host's
    /// number.
    fn on_gap(&self, node: u32);
}

/// Router of the messages of one node.
pub(crate) struct MessageRouter {
    /// Number of the node that the messages come from.
    node: u32,
    /// A lock, since producers subscribe on the host's thread while messages arrive on the engine's.
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    channels: HashMap<Vec<u8>, Weak<dyn CompletionListener>>,
    patterns: HashMap<Vec<u8>, Vec<Weak<dyn CompletionListener>>>,
}

impl MessageRouter {
    /// A router without listeners, for the node that the host knows by `node`.
    pub(crate) fn new(node: u32) -> Arc<Self> {
        Arc::new(Self { node, table: Mutex::default() })
    }

    /// Removes all listeners.
    pub(crate) fn clear(&self) {
        *self.lock() = Table::default();
    }

    /// Routes messages of a channel to `producer`.
    pub(crate) fn add_channel(&self, channel: Vec<u8>, producer: &Arc<dyn CompletionListener>) {
        self.lock().channels.insert(channel, Arc::downgrade(producer));
    }

    /// Stops to route messages of a channel.
    pub(crate) fn remove_channel(&self, channel: &[u8]) {
        self.lock().channels.remove(channel);
    }

    /// Routes messages of a pattern to `producer` as well.
    pub(crate) fn add_listener(&self, pattern: &[u8], producer: &Arc<dyn CompletionListener>) {
        let mut table = self.lock();
        let listeners = table.patterns.entry(pattern.to_vec()).or_default();
        let producer = Arc::downgrade(producer);
        if !listeners.iter().any(|listener| listener.ptr_eq(&producer)) {
            listeners.push(producer);
        }
    }

    /// Removes a listener. Returns true if the pattern has no listener any more.
    pub(crate) fn remove_listener(&self, pattern: &[u8], producer: &Weak<dyn CompletionListener>) -> bool {
        let mut table = self.lock();
        let Some(listeners) = table.patterns.get_mut(pattern) else { return false };
        listeners.retain(|listener| listener.strong_count() > 0 && !listener.ptr_eq(producer));
        let is_unused = listeners.is_empty();
        if is_unused {
            table.patterns.remove(pattern);
        }
        is_unused
    }

    /// All listeners, each once, by number.
    pub(crate) fn producers(&self) -> BTreeMap<u32, Arc<dyn CompletionListener>> {
        let table = self.lock();
        let listeners: Vec<_> =
            table.channels.values().chain(table.patterns.values().flatten()).cloned().collect();
        drop(table);
        listeners.iter().filter_map(Weak::upgrade).map(|producer| (producer.number(), producer)).collect()
    }

    /// Reports to all listeners that completions can have been missed.
    pub(crate) fn report_gap(&self) {
        for producer in self.producers().values() {
            producer.on_gap(self.node);
        }
    }

    /// Passes a message to the listeners of its channel or its pattern.
    pub(crate) fn message(&self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
        let Some(pattern) = pattern else {
            let producer = self.lock().channels.get(channel).and_then(Weak::upgrade);
            if let Some(producer) = producer {
                producer.on_message(MessageSource::Own, channel, payload);
            }
            return;
        };
        let listeners = self.lock().patterns.get(pattern).cloned().unwrap_or_default();
        for producer in listeners.iter().filter_map(Weak::upgrade) {
            producer.on_message(MessageSource::Pattern(pattern), channel, payload);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.locked()
    }
}
