//! State that the tasks of a connection and its submitters share.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::redis_io::command::{CommandMeta, Commands, Destination};
use crate::redis_io::connection::inner::{ConnectionInner, DriverCommand};
use crate::redis_io::connection::lost_session::LostSession;
use crate::redis_io::connection::redirector::Redirector;
use crate::redis_io::connection::request_queue::PendingCommand;
use crate::redis_io::error::{QUEUE_FULL, REQUEST_TOO_LARGE, RedisError, RedisErrorKind};
use crate::redis_io::link::{LinkPolicy, LinkState, PushSink, ReplySink};
use crate::redis_io::locked::Locked;
use crate::redis_io::metrics::Traffic;
use crate::redis_io::options::{Endpoint, LinkOptions};
use crate::redis_io::resp::{Reply, Value};
use crate::redis_io::tasks::Tasks;

const CLOSED: &str = "Connection is closed.";
const NOT_READY: &str = "Stream isn't writeable and enableOfflineQueue options is false";

/// Commands that a connection did not take.
#[derive(Default)]
pub(crate) struct RefusedCommands {
    /// Commands of requests that exceed the limit of the queue by themselves.
    too_large: Vec<CommandMeta>,
    /// Commands that must not wait for a session.
    expired: Vec<CommandMeta>,
}

/// Receivers of incoming data.
pub(crate) struct Sinks {
    /// Receiver of replies.
    pub(crate) sink: Arc<dyn ReplySink>,
    /// Receiver of published messages, on the connection of a subscriber.
    pub(crate) pushes: Option<Arc<dyn PushSink>>,
    /// Receiver of redirected commands, on a connection of a Cluster.
    pub(crate) redirector: Option<Arc<dyn Redirector>>,
}

/// State that driver, writer and submitters share.
pub(crate) struct ConnectionState {
    pub(crate) options: Arc<LinkOptions>,
    pub(crate) policy: Arc<dyn LinkPolicy>,
    pub(crate) tasks: Tasks,
    /// Wakes the driver: a command waits for it.
    pub(crate) commanded: Notify,
    /// Wakes the writer: bytes wait for the socket.
    pub(crate) to_write: Notify,
    /// Wakes the task for deadlines: an earlier deadline can exist.
    pub(crate) to_time: Notify,
    /// Wakes tasks that must end with the connection.
    closed: Notify,
    sink: Arc<dyn ReplySink>,
    pub(crate) pushes: Option<Arc<dyn PushSink>>,
    pub(crate) redirector: Option<Arc<dyn Redirector>>,
    pub(crate) traffic: Arc<Traffic>,
    state: AtomicU8,
    /// The database that the next session begins with.
    db: AtomicU32,
    /// Error for commands after the end, if a reason was given.
    reason: OnceLock<RedisError>,
    /// Name of the endpoint, for errors. A lock, since the endpoint can change.
    node: Mutex<Arc<str>>,
    /// A lock, since both threads submit. The socket is written to under it, which keeps the order of the bytes.
    inner: Mutex<ConnectionInner>,
}

impl ConnectionState {
    pub(crate) fn new(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        sinks: Sinks,
        tasks: Tasks,
    ) -> Self {
        let Sinks { sink, pushes, redirector } = sinks;
        let traffic = policy.traffic();
        let inner = ConnectionInner::new(traffic.clone(), options.checks_sends);
        Self {
            node: Mutex::new(options.endpoint.to_string().into()),
            db: AtomicU32::new(options.db),
            options,
            policy,
            tasks,
            commanded: Notify::new(),
            to_write: Notify::new(),
            to_time: Notify::new(),
            closed: Notify::new(),
            sink,
            pushes,
            redirector,
            traffic,
            state: AtomicU8::new(LinkState::Wait as u8),
            reason: OnceLock::new(),
            inner: Mutex::new(inner),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ConnectionInner> {
        self.inner.locked()
    }

    /// Name of the endpoint, for errors.
    pub(crate) fn node(&self) -> Arc<str> {
        self.node.locked().clone()
    }

    /// Sets the endpoint of the next attempts.
    pub(crate) fn move_to(&self, endpoint: &Endpoint) {
        *self.node.locked() = endpoint.to_string().into();
    }

    pub(crate) fn state(&self) -> LinkState {
        LinkState::from_number(self.state.load(Ordering::Acquire))
    }

    /// The database that a session begins with: the option, until a SELECT.
    pub(crate) fn db(&self) -> u32 {
        self.db.load(Ordering::Acquire)
    }

    pub(crate) fn set_db(&self, db: u32) {
        self.db.store(db, Ordering::Release);
    }

    pub(crate) fn set_state(&self, state: LinkState, error: Option<&RedisError>) {
        self.state.store(state as u8, Ordering::Release);
        self.policy.state_changed(state, error);
    }

    /// Returns true once, for the caller that must start the driver.
    pub(crate) fn begin(&self) -> bool {
        let mut inner = self.lock();
        let begins = !inner.closing && !std::mem::replace(&mut inner.started, true);
        if begins {
            // A reader of the state sees the start before the driver runs and reports it.
            self.state.store(LinkState::Connecting as u8, Ordering::Release);
        }
        begins
    }

    /// Takes `commands`, or returns an error. Commands that were not taken stay in `commands`. Those that can never be taken
    /// are moved to `refused`, and so are those that must not wait for a session.
    pub(crate) fn submit(
        &self,
        commands: &mut Commands,
        refused: &mut RefusedCommands,
    ) -> Result<(), RedisError> {
        let mut inner = self.lock();
        if inner.is_over() {
            return Err(self.closed());
        }
        if !inner.flowing {
            refused.expired = commands.take_expiring();
        }
        let refusal = if !inner.flowing && !self.options.offline_queue {
            (RedisErrorKind::NotReady, NOT_READY)
        } else {
            if !inner.queue.fits(commands, self.options.queue) {
                refused.too_large = commands.take_too_large(self.options.queue);
            }
            let Some(mut fitting) = inner.queue.fitting(commands, self.options.queue) else {
                self.take(&mut inner, commands);
                return Ok(());
            };
            self.take(&mut inner, &mut fitting);
            (RedisErrorKind::QueueFull, QUEUE_FULL)
        };
        let cause = inner.cause.clone().filter(|_| !inner.flowing);
        let error = RedisError::local(refusal.0, refusal.1, &self.node());
        match error.kind {
            // Programs know this text word for word.
            RedisErrorKind::NotReady => Err(error.because(cause)),
            _ => Err(error.after(cause)),
        }
    }

    /// As [`ConnectionState::submit`], for commands that were taken before. An offline queue that is off does not refuse
    /// them.
    pub(crate) fn submit_again(&self, commands: &mut Commands) -> Result<(), RedisError> {
        let mut inner = self.lock();
        if inner.is_over() {
            return Err(self.closed());
        }
        self.take(&mut inner, commands);
        Ok(())
    }

    /// Sends QUIT behind all submitted commands and refuses later ones. Returns `None` if commands cannot be written,
    /// unless some wait for a connection that opens.
    pub(crate) fn send_quit(&self) -> Option<oneshot::Receiver<Result<Value, RedisError>>> {
        let mut inner = self.lock();
        let is_opening = matches!(self.state(), LinkState::Connecting | LinkState::Connect);
        if !inner.flowing && (!is_opening || inner.queue.is_empty()) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let mut commands = Commands::default();
        commands.begin("QUIT", 1).end_once(Destination::Task(sender));
        self.take(&mut inner, &mut commands);
        inner.quitting = true;
        Some(receiver)
    }

    /// Appends `commands` and writes at once if the socket has room. The writer writes the rest.
    fn take(&self, inner: &mut ConnectionInner, commands: &mut Commands) {
        let deadline = self.options.command_timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let was_idle = inner.queue.unwritten().is_empty();
        inner.queue.append(commands, deadline);
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

    /// Sends a command to the driver. From here on nothing is written to its socket.
    pub(crate) fn send_command(&self, command: DriverCommand) {
        {
            let mut inner = self.lock();
            if inner.closing || !inner.started {
                return;
            }
            inner.stop_flow();
            inner.command = Some(command);
        }
        self.commanded.notify_one();
    }

    /// Closes for good. New commands are refused. Commands without a reply fail now, or go to another node.
    pub(crate) fn close(&self) {
        let (lost, started, cause) = {
            let mut inner = self.lock();
            if inner.closing {
                return;
            }
            inner.closing = true;
            inner.stop_flow();
            inner.command = Some(DriverCommand::Close);
            (LostSession::take(&mut inner), inner.started, inner.cause.clone())
        };
        self.commanded.notify_one();
        self.closed.notify_waiters();
        if !started {
            self.set_state(LinkState::End, None);
        }
        self.give_up(lost, cause);
    }

    /// As [`ConnectionState::close`], with `reason` as the error of pending and later commands.
    pub(crate) fn close_for(&self, reason: RedisError) {
        // The first reason counts, as the first close does.
        let _ = self.reason.set(reason);
        self.close();
    }

    fn give_up(&self, mut lost: LostSession, cause: Option<RedisError>) {
        let Some(redirector) = &self.redirector else {
            return self.fail(lost.queue.clear(), &self.closed());
        };
        let dropped = lost.queue.prepare_resend(!self.options.resend);
        self.fail(dropped, &self.dropped(cause.clone()));
        redirector.requeue_lost(lost, &self.node(), cause.unwrap_or_else(|| self.closed()));
    }

    /// Resolves once the connection is closed for good.
    pub(crate) async fn gone(&self) {
        // Made before the flag is read, so that a close in between is not missed.
        let closed = self.closed.notified();
        let closing = self.lock().closing;
        if !closing {
            closed.await;
        }
    }

    /// Error of commands after the end.
    pub(crate) fn closed(&self) -> RedisError {
        let plain = || RedisError::local(RedisErrorKind::Closed, CLOSED, &self.node());
        self.reason.get().cloned().unwrap_or_else(plain)
    }

    /// Error of a command that was on the wire when the connection broke, by `cause`, and is not sent again.
    pub(crate) fn dropped(&self, cause: Option<RedisError>) -> RedisError {
        RedisError::local(RedisErrorKind::Dropped, CLOSED, &self.node()).because(cause)
    }

    /// Closes for good, since the policy ends the link.
    pub(crate) fn end(&self) {
        let cause = self.lock().cause.clone();
        self.close_for(self.closed().because(cause));
    }

    /// Fails all `pending` commands with `error`.
    pub(crate) fn fail(&self, pending: Vec<PendingCommand>, error: &RedisError) {
        if pending.is_empty() {
            return;
        }
        for pending in pending {
            let error = error.clone().of(pending.meta.name);
            self.deliver(pending.meta.destination, Err(error));
        }
        self.sink.burst_end();
    }

    /// Fails commands that were not taken, or sends them to another node.
    pub(crate) fn refuse(&self, commands: &mut Commands, error: &RedisError) {
        match &self.redirector {
            // Elsewhere is no room for them either: it would be taken from commands that belong there.
            _ if error.kind == RedisErrorKind::QueueFull => commands.refuse(self.sink.as_ref(), error),
            Some(redirector) => redirector.requeue_all(std::mem::take(commands), error.clone()),
            None => commands.refuse(self.sink.as_ref(), error),
        }
    }

    /// Fails commands that can never be sent, or not in time.
    pub(crate) fn refuse_at_once(&self, RefusedCommands { too_large, expired }: RefusedCommands) {
        if !too_large.is_empty() {
            let (kind, text) = (RedisErrorKind::RequestTooLarge, REQUEST_TOO_LARGE);
            self.fail_metas(too_large, &RedisError::local(kind, text, &self.node()));
        }
        if !expired.is_empty() {
            let cause = self.lock().cause.clone();
            self.fail_metas(expired, &self.dropped(cause));
        }
    }

    fn fail_metas(&self, metas: Vec<CommandMeta>, error: &RedisError) {
        for meta in metas {
            self.deliver(meta.destination, Err(error.clone().of(meta.name)));
        }
        self.sink.burst_end();
    }

    /// The receiver of replies.
    pub(crate) fn sink(&self) -> &dyn ReplySink {
        self.sink.as_ref()
    }

    pub(crate) fn deliver(&self, destination: Destination, outcome: Result<Reply<'_>, RedisError>) {
        destination.deliver(self.sink.as_ref(), outcome);
    }

    pub(crate) fn burst_end(&self) {
        self.sink.burst_end();
        if let Some(pushes) = &self.pushes {
            pushes.burst_end();
        }
        if let Some(redirector) = &self.redirector {
            redirector.burst_end();
        }
    }
}
