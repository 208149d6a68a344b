//! One connection to one Redis, made again as often as its policy allows.
//!
//! A driver task owns its life; whoever submits shares the outbox with it. Three things happen to a command: it is
//! appended and, if the socket takes it, written in the same step by the submitting thread; or the writer task
//! writes it when the socket has room, or the connection is ready; and the driver hands its reply out.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::codec::Reply;
use super::command::{Commands, Destination};
use super::driver;
use super::error::{RedisError, RedisErrorKind};
use super::link::{BoxFuture, Link, LinkPolicy, LinkState, PushSink, ReplySink, call};
use super::options::LinkOptions;
use super::outbox::{Outbox, Pending};
use super::socket::Plain;

const CLOSED: &str = "Connection is closed.";

/// What the driver is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Make the connection anew.
    Reset,
    /// Close for good.
    Close,
}

/// What driver, writer and submitters share.
pub(super) struct Shared {
    pub(super) options: Arc<LinkOptions>,
    pub(super) policy: Arc<dyn LinkPolicy>,
    pub(super) node: Arc<str>,
    pub(super) runtime: Handle,
    /// The driver has something to look at: an order.
    pub(super) told: Notify,
    /// The writer has something to write.
    pub(super) to_write: Notify,
    /// The earliest deadline of a command may have changed.
    pub(super) to_time: Notify,
    sink: Arc<dyn ReplySink>,
    pub(super) pushes: Option<Arc<dyn PushSink>>,
    state: AtomicU8,
    /// A lock, since both threads submit. The socket is written to under it, which keeps the order of the bytes.
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) outbox: Outbox,
    /// The socket, while commands flow and submitters may write to it themselves.
    pub(super) direct: Option<Arc<Plain>>,
    /// Whether commands flow.
    pub(super) flowing: bool,
    pub(super) order: Option<Order>,
    /// Closed, or about to be: nothing more is taken.
    pub(super) closing: bool,
    started: bool,
}

/// A connection. Dropping it closes it.
pub struct Connection {
    shared: Arc<Shared>,
}

impl Connection {
    /// A connection that is being opened, unless the options are lazy. Its tasks run on `runtime`.
    pub fn new(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        sink: Arc<dyn ReplySink>,
        runtime: Handle,
    ) -> Arc<Self> {
        Self::with_pushes(options, policy, sink, None, runtime)
    }

    pub(super) fn with_pushes(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        sink: Arc<dyn ReplySink>,
        pushes: Option<Arc<dyn PushSink>>,
        runtime: Handle,
    ) -> Arc<Self> {
        let lazy = options.lazy;
        let shared = Arc::new(Shared {
            node: options.endpoint.to_string().into(),
            options,
            policy,
            runtime,
            told: Notify::new(),
            to_write: Notify::new(),
            to_time: Notify::new(),
            sink,
            pushes,
            state: AtomicU8::new(LinkState::Wait as u8),
            inner: Mutex::default(),
        });
        let connection = Arc::new(Self { shared });
        if !lazy {
            connection.open();
        }
        connection
    }
}

impl Link for Connection {
    fn submit(&self, commands: &mut Commands) {
        let shared = &self.shared;
        let refusal = {
            let mut inner = shared.lock();
            if inner.closing {
                Some((RedisErrorKind::Closed, CLOSED))
            } else if !inner.flowing && !shared.options.offline_queue {
                Some((RedisErrorKind::NotReady, "Stream isn't writeable and enableOfflineQueue options is false"))
            } else {
                shared.take(&mut inner, commands);
                None
            }
        };
        match refusal {
            Some((kind, message)) => shared.refuse(commands, &RedisError::local(kind, message, &shared.node)),
            None if shared.state() == LinkState::Wait => self.open(),
            None => {}
        }
    }

    fn state(&self) -> LinkState {
        self.shared.state()
    }

    fn node(&self) -> &str {
        &self.shared.node
    }

    fn open(&self) {
        let mut inner = self.shared.lock();
        if !inner.started && !inner.closing {
            inner.started = true;
            drop(inner);
            self.shared.runtime.spawn(driver::run(self.shared.clone()));
            if self.shared.options.command_timeout.is_some() {
                self.shared.runtime.spawn(driver::watch_deadlines(self.shared.clone()));
            }
        }
    }

    fn reset(&self) {
        self.shared.order(Order::Reset);
    }

    fn quit(&self, bound: Duration) -> BoxFuture<()> {
        let shared = self.shared.clone();
        Box::pin(async move {
            if shared.state() == LinkState::Ready && !bound.is_zero() {
                let connection = Borrowed(shared.clone());
                let quit = call(&connection, |commands, to| commands.begin("QUIT", 1).end_once(to));
                // Whether Redis says goodbye or not, the connection is closed next.
                let _ = tokio::time::timeout(bound, quit).await;
            }
            shared.close();
        })
    }

    fn close(&self) {
        self.shared.close();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Submits to a connection without being one, so that saying goodbye does not keep it from being dropped.
struct Borrowed(Arc<Shared>);

impl Link for Borrowed {
    fn submit(&self, commands: &mut Commands) {
        let mut inner = self.0.lock();
        if inner.closing {
            drop(inner);
            self.0.refuse(commands, &self.0.closed());
        } else {
            self.0.take(&mut inner, commands);
        }
    }

    fn state(&self) -> LinkState {
        self.0.state()
    }

    fn node(&self) -> &str {
        &self.0.node
    }

    fn open(&self) {}

    fn reset(&self) {}

    fn quit(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }

    fn close(&self) {}
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn state(&self) -> LinkState {
        const STATES: [LinkState; 7] = [
            LinkState::Wait,
            LinkState::Connecting,
            LinkState::Connect,
            LinkState::Ready,
            LinkState::Close,
            LinkState::Reconnecting,
            LinkState::End,
        ];
        STATES[usize::from(self.state.load(Ordering::Acquire)).min(STATES.len() - 1)]
    }

    pub(super) fn set_state(&self, state: LinkState, error: Option<&RedisError>) {
        self.state.store(state as u8, Ordering::Release);
        self.policy.state_changed(state, error);
    }

    /// Appends `commands` and writes what the socket takes at once; the writer does the rest.
    pub(super) fn take(&self, inner: &mut Inner, commands: &mut Commands) {
        let deadline = self.options.command_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let was_idle = inner.outbox.unwritten().is_empty();
        inner.outbox.append(commands, deadline);
        if deadline.is_some() {
            self.to_time.notify_one();
        }
        if !inner.flowing {
            return;
        }
        match inner.direct.clone().filter(|_| was_idle) {
            Some(socket) if inner.write_now(&socket).is_ok_and(|blocked| !blocked) => {}
            _ => self.to_write.notify_one(),
        }
    }

    pub(super) fn order(&self, order: Order) {
        self.lock().order = Some(order);
        self.told.notify_one();
    }

    /// Closes for good: nothing is taken any more, and what has no reply fails now.
    pub(super) fn close(&self) {
        let (pending, started) = {
            let mut inner = self.lock();
            if inner.closing {
                return;
            }
            inner.closing = true;
            inner.flowing = false;
            inner.direct = None;
            inner.order = Some(Order::Close);
            (inner.outbox.clear(), inner.started)
        };
        self.told.notify_one();
        self.to_time.notify_one();
        if !started {
            self.set_state(LinkState::End, None);
        }
        self.fail(pending, &self.closed());
    }

    pub(super) fn closed(&self) -> RedisError {
        RedisError::local(RedisErrorKind::Closed, CLOSED, &self.node)
    }

    /// Tells everyone in `pending` of a failure.
    pub(super) fn fail(&self, pending: Vec<Pending>, error: &RedisError) {
        if pending.is_empty() {
            return;
        }
        for pending in pending {
            let error = error.clone().of(pending.mark.name);
            self.deliver(pending.mark.destination, Err(error));
        }
        self.sink.burst_end();
    }

    fn refuse(&self, commands: &mut Commands, error: &RedisError) {
        commands.refuse(self.sink.as_ref(), error);
    }

    pub(super) fn deliver(&self, destination: Destination, outcome: Result<Reply<'_>, RedisError>) {
        destination.deliver(self.sink.as_ref(), outcome);
    }

    pub(super) fn burst_end(&self) {
        self.sink.burst_end();
        if let Some(pushes) = &self.pushes {
            pushes.burst_end();
        }
    }
}

impl Inner {
    /// Writes until there is nothing left or the socket is full; `true` if it is full.
    pub(super) fn write_now(&mut self, socket: &Plain) -> std::io::Result<bool> {
        while !self.outbox.unwritten().is_empty() {
            match socket.try_write(self.outbox.unwritten()) {
                Ok(count) => self.outbox.wrote(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
