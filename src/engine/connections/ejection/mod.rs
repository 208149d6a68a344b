//! Ejection of a node that fails: the state that its connections, its monitor and its users share.

pub mod failure_detector;
pub mod link_policy;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::Link;
use crate::redis_io::locked::Locked;
use crate::redis_io::world::watch;

use crate::engine::connections::ejection::failure_detector::FailureDetector;
use crate::engine::host::Event;
use crate::engine::host::context::Context;
use crate::engine::options::bus::{EjectOptions, NodeOptions};
use crate::engine::runtime::backoff::jitter;

/// Starts a task that monitors a node.
pub(crate) type StartMonitor = Box<dyn Fn(Arc<Ejection>) -> AbortHandle + Send + Sync>;

/// Ejection state of one node, with the last failure.
pub struct Ejection {
    pub(crate) options: EjectOptions,
    context: Arc<Context>,
    /// Number of the node, for events.
    node: u32,
    node_options: Arc<NodeOptions>,
    /// Function that starts the task which monitors the node.
    monitor: OnceLock<StartMonitor>,
    /// A lock, since connections report from the engine's thread while the host asks from its own.
    state: Mutex<State>,
    /// True while the node is out. Tasks wait on it for a change.
    out: watch::Sender<bool>,
    /// Wakes the monitor after an ejection.
    pub(crate) tripped: Notify,
}

struct State {
    health: FailureDetector,
    /// Last failure.
    cause: Option<RedisError>,
    /// Reader connections, which are idle while the node is out.
    readers: Vec<Weak<dyn Link>>,
    watch: Option<AbortHandle>,
}

impl State {
    fn new(options: EjectOptions) -> Self {
        Self { health: FailureDetector::new(options), cause: None, readers: Vec::new(), watch: None }
    }
}

impl Ejection {
    /// State of a node in the ring. The host knows the node by the number `node`.
    pub(crate) fn new(
        options: EjectOptions,
        context: Arc<Context>,
        node: u32,
        node_options: Arc<NodeOptions>,
    ) -> Arc<Self> {
        Arc::new(Self {
            options,
            context,
            node,
            node_options,
            monitor: OnceLock::new(),
            state: Mutex::new(State::new(options)),
            out: watch::Sender::new(false),
            tripped: Notify::new(),
        })
    }

    /// Sets the function that starts the monitor, once.
    pub(crate) fn monitor_by(&self, start: StartMonitor) {
        // Only the constructor of the node calls this.
        let _ = self.monitor.set(start);
    }

    /// Returns true if the node is ejected.
    pub fn is_out(&self) -> bool {
        *self.out.borrow()
    }

    /// Error of every operation on the node while it is ejected.
    pub(crate) fn refusal(&self) -> Option<RedisError> {
        if !self.is_out() {
            return None;
        }
        let node: Arc<str> = self.node_options.link.endpoint.to_string().into();
        let cause = self.lock().cause.clone();
        let reason = cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
        let message = format!("The node {node} is ejected{reason}");
        Some(RedisError::local(RedisErrorKind::Ejected, &message, &node).because(cause))
    }

    /// Starts the monitor, since a connection is being opened.
    pub(crate) fn start_monitor(self: &Arc<Self>) {
        let mut state = self.lock();
        let is_needed = state.watch.as_ref().is_none_or(AbortHandle::is_finished);
        if let Some(start) = self.monitor.get().filter(|_| is_needed) {
            state.watch = Some(start(self.clone()));
        }
    }

    /// Records a reply.
    pub(crate) fn answered(&self) {
        self.lock().health.answered();
    }

    /// Records a failure.
    pub(crate) fn failed(&self, error: &RedisError) {
        let went_out = {
            let mut state = self.lock();
            state.cause = Some(error.clone());
            state.health.failed(Instant::now())
        };
        if went_out {
            self.change(true);
            self.tripped.notify_one();
        }
    }

    /// Returns the delay before the next probe.
    pub(crate) fn next_wait(&self) -> Duration {
        self.lock().health.next_wait(jitter())
    }

    /// Readmits the node after a probe that worked.
    pub(crate) fn readmit(&self) {
        self.change(false);
    }

    /// Reports the change to the host before any refused request, so that the host makes no more ids for the node.
    fn change(&self, is_out: bool) {
        let (failures, cause) = {
            let mut state = self.lock();
            let failures = state.health.failures();
            if !is_out {
                state.health.readmit(Instant::now());
            }
            (failures, state.cause.clone())
        };
        self.out.send_replace(is_out);
        let host = &self.context.host;
        if let Some(error) = &cause {
            let (node, endpoint) = (self.node, &self.node_options.link.endpoint);
            host.event(Event::RingChanged { node, is_out, failures, endpoint, error });
            host.wake();
        }
    }

    /// Returns to the state before the first connection, and ends the monitor.
    pub(crate) fn reset(&self) {
        let watch = {
            let mut state = self.lock();
            std::mem::replace(&mut *state, State::new(self.options)).watch
        };
        if let Some(watch) = watch {
            watch.abort();
        }
        self.out.send_replace(false);
    }

    /// Adds a reader connection.
    pub(crate) fn add_reader(&self, link: &Arc<dyn Link>) {
        let readers = &mut self.lock().readers;
        readers.retain(|reader| reader.strong_count() > 0);
        readers.push(Arc::downgrade(link));
    }

    /// Connections that wait for entries of the node.
    pub(crate) fn readers(&self) -> Vec<Arc<dyn Link>> {
        self.lock().readers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Resolves once the node is in the ring.
    pub(crate) fn is_in(&self) -> impl Future<Output = ()> + Send + use<> {
        let out = self.out.subscribe();
        changed_to(out, false)
    }

    /// Runs `step`. Fails with the refusal if the node is ejected before `step` ends.
    pub(crate) async fn unless_out<T>(
        &self,
        step: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let mut step = std::pin::pin!(step);
        tokio::select! {
            biased;
            done = step.as_mut() => done,
            () = changed_to(self.out.subscribe(), true) => match self.refusal() {
                Some(refusal) => Err(refusal),
                None => step.await,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

async fn changed_to(mut out: watch::Receiver<bool>, wanted: bool) {
    // The sender lives as long as the node. Without a node the wait has no use.
    let _ = out.wait_for(|out| *out == wanted).await;
}
