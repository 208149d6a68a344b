//! State that all buses of one host share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::redis_io::error::RedisError;
use crate::redis_io::tasks::Tasks;

use crate::engine::host::callbacks::HostCallbacks;
use crate::engine::host::{Event, Host, RequestId};

/// Host, runtime and open connections of an engine.
pub struct Context {
    /// The host, which takes jobs and events.
    pub host: Arc<dyn Host>,
    /// Runtime of the engine.
    pub tasks: Tasks,
    /// Questions to the host without an answer.
    pub callbacks: HostCallbacks,
    open_links: AtomicUsize,
}

impl Context {
    /// Context of a host whose engine runs on `tasks`.
    pub fn new(host: Arc<dyn Host>, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self { host, tasks, callbacks: HostCallbacks::default(), open_links: AtomicUsize::new(0) })
    }

    /// Number of connections that are open or being opened. The process must live while there are any.
    pub fn open_links(&self) -> usize {
        self.open_links.load(Ordering::Acquire)
    }

    /// Reports the end of a request to the host.
    pub fn done(&self, request: RequestId, outcome: Result<(), RedisError>) {
        if let Err(error) = &outcome {
            self.host.event(Event::Failed { request, error });
        }
        self.host.event(Event::Done { request });
        self.host.wake();
    }

    /// Keeps the process alive as a connection does, until the returned value is dropped.
    pub(crate) fn stay_awake(self: &Arc<Self>) -> Awake {
        self.link_opened();
        Awake(self.clone())
    }

    pub(crate) fn link_opened(&self) {
        self.open_links.fetch_add(1, Ordering::AcqRel);
        self.links_changed();
    }

    pub(crate) fn link_ended(&self) {
        self.open_links.fetch_sub(1, Ordering::AcqRel);
        self.links_changed();
    }

    /// Reports that the count changed. The count is no part of the event, since two threads can report in the wrong
    /// order.
    fn links_changed(&self) {
        self.host.event(Event::LinksChanged);
        self.host.wake();
    }
}

/// Keeps the process alive until it is dropped.
pub(crate) struct Awake(Arc<Context>);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.link_ended();
    }
}
