//! What all buses of one host have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::redis_io::error::RedisError;
use crate::redis_io::tasks::Tasks;

use crate::engine::host::callbacks::HostCallbacks;
use crate::engine::host::{Event, Host, RequestId};

/// What everything of one host shares.
pub struct Context {
    /// Who is told.
    pub host: Arc<dyn Host>,
    /// Where tasks run.
    pub tasks: Tasks,
    /// What the host was asked.
    pub callbacks: HostCallbacks,
    open_links: AtomicUsize,
}

impl Context {
    /// The context of a host whose engine runs as `tasks`.
    pub fn new(host: Arc<dyn Host>, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self { host, tasks, callbacks: HostCallbacks::default(), open_links: AtomicUsize::new(0) })
    }

    /// How many connections are open or being opened; while there are any, the process should live.
    pub fn open_links(&self) -> usize {
        self.open_links.load(Ordering::Acquire)
    }

    /// Tells the host how a request ended.
    pub fn done(&self, request: RequestId, outcome: Result<(), RedisError>) {
        if let Err(error) = &outcome {
            self.host.event(Event::Failed { request, error });
        }
        self.host.event(Event::Done { request });
        self.host.wake();
    }

    /// The process should live as long as what this returns, as if it were a connection.
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

    /// The count is not part of the event: one connection may open while another's end is being told, and the
    /// order of two events would then decide whether the process lives.
    fn links_changed(&self) {
        self.host.event(Event::LinksChanged);
        self.host.wake();
    }
}

/// Keeps the process alive.
pub(crate) struct Awake(Arc<Context>);

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.link_ended();
    }
}
