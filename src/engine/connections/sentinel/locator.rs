//! Locator of a node's server: the resolver of its address, and the subscription to announcements of a failover.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::redis_io::error::RedisError;
use crate::redis_io::locked::Locked;
use crate::redis_io::options::Endpoint;
use crate::redis_io::tasks::Tasks;

use crate::engine::connections::sentinel::failover_listener::FailoverListener;
use crate::engine::connections::sentinel::resolver::Resolver;
use crate::engine::options::sentinel::SentinelOptions;

/// Locator of the server of a node, shared by all connections to the node.
pub struct SentinelLocator {
    resolver: Arc<Resolver>,
    tasks: Tasks,
    /// True while the bus is closing. No connection is opened then.
    closing: Arc<AtomicBool>,
    /// A lock, since the first connections can locate the server at the same time.
    listener: Mutex<Option<FailoverListener>>,
}

impl SentinelLocator {
    /// A locator without any query yet.
    pub fn new(options: SentinelOptions, tasks: Tasks, closing: Arc<AtomicBool>) -> Arc<Self> {
        let resolver = Resolver::new(options, tasks.clone());
        Arc::new(Self { resolver, tasks, closing, listener: Mutex::default() })
    }

    /// Resolver of the address.
    pub(crate) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Returns the address to connect to. From then on failovers are listened for.
    pub async fn locate(&self) -> Result<Endpoint, RedisError> {
        let found = self.resolver.resolve().await;
        if found.is_ok() {
            self.listen();
        }
        found
    }

    /// Starts to listen for announcements, unless it listens already.
    fn listen(&self) {
        let mut listener = self.listener.locked();
        let options = self.resolver.options();
        let is_open = listener.as_ref().is_some_and(FailoverListener::is_open);
        if options.watches && !is_open && !self.closing.load(Ordering::Acquire) {
            let resolver = Arc::downgrade(&self.resolver);
            *listener = Some(FailoverListener::new(resolver, options, &self.tasks));
        }
    }

    /// Stops to listen until the next `locate`.
    pub(crate) fn close(&self) {
        let listener = self.listener.locked().take();
        drop(listener);
    }
}
