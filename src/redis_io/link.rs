//! Seam between the engine and the connections that carry its commands: [`Link`] and [`LinkPolicy`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::metrics::Traffic;
use crate::redis_io::options::Endpoint;
use crate::redis_io::resp::Value;

pub use crate::redis_io::command::ReplySink;

/// Future of a method of the traits below.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Receives published messages.
pub trait PushSink: Send + Sync {
    /// A message on `channel`; `pattern` is set when it came through a pattern subscription.
    fn message(&self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]);

    /// Reports that the connection is back and every subscription is restored.
    fn resubscribed(&self) {}

    /// Reports the same, with the error of a subscription that Redis refuses.
    fn resubscription_refused(&self, _error: &RedisError) {
        self.resubscribed();
    }

    /// Reports that the node has ended a sharded subscription by itself, since it has lost the slot.
    fn sharded_ended(&self) {}

    /// As [`ReplySink::burst_end`].
    fn burst_end(&self) {}
}

/// State of a link, with the names that ioredis has for `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Not opened yet (`lazyConnect`).
    Wait,
    /// The socket is being opened.
    Connecting,
    /// The socket is open. The handshake runs.
    Connect,
    /// Commands can be written.
    Ready,
    /// The socket was closed. `Reconnecting` or `End` follows.
    Close,
    /// Waiting for the next attempt.
    Reconnecting,
    /// Closed for good.
    End,
}

impl LinkState {
    /// The state that was stored as a number.
    pub(crate) fn from_number(number: u8) -> Self {
        const STATES: [LinkState; 7] = [
            LinkState::Wait,
            LinkState::Connecting,
            LinkState::Connect,
            LinkState::Ready,
            LinkState::Close,
            LinkState::Reconnecting,
            LinkState::End,
        ];
        STATES.get(usize::from(number)).copied().unwrap_or(Self::End)
    }
}

/// Progress of the replies of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyProgress {
    /// Number of replies so far.
    pub answers: u64,
    /// True if a command waits for its reply.
    pub is_due: bool,
}

/// Decision of `reconnectOnError` about an error reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorAction {
    /// Delivers the reply to the caller.
    Deliver,
    /// Delivers the reply and reconnects.
    Reconnect,
    /// Reconnects and sends the command again.
    ReconnectAndResend,
}

/// Decisions of the owner of a link.
pub trait LinkPolicy: Send + Sync {
    /// The wrapped policy. Methods that are not overridden delegate to it.
    fn inner(&self) -> Option<&dyn LinkPolicy> {
        None
    }

    /// Returns the endpoint of the next attempt, before each attempt. `None` means the endpoint of the options. A refusal
    /// fails the queued commands.
    fn locate(&self) -> Option<BoxFuture<Result<Endpoint, RedisError>>> {
        self.inner()?.locate()
    }

    /// Maximum time that queued commands wait while `locate` knows no endpoint. `None` has no limit.
    fn patience(&self) -> Option<Duration> {
        self.inner()?.patience()
    }

    /// Reports the endpoint from `locate` before it is connected to.
    fn located(&self, endpoint: &Endpoint) {
        if let Some(inner) = self.inner() {
            inner.located(endpoint);
        }
    }

    /// Reports the server of a new session, before commands are written to it: its node, and the `run_id` that it has said.
    fn greeted(&self, node: &str, run_id: Option<&str>) {
        if let Some(inner) = self.inner() {
            inner.greeted(node, run_id);
        }
    }

    /// As [`LinkPolicy::retry_delay`], after `locate` failed for the `round`th time in a row. Such rounds are not
    /// attempts.
    fn relocate_delay(&self, round: u32) -> BoxFuture<Option<Duration>> {
        self.inner().map_or_else(|| self.retry_delay(round), |inner| inner.relocate_delay(round))
    }

    /// Delay before connection attempt number `attempt`, from 1. `None` ends the link.
    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>>;

    /// Returns true if [`LinkPolicy::on_error_reply`] can decide something. Only then the link keeps commands to send
    /// them again.
    fn inspects_errors(&self) -> bool {
        self.inner().is_some_and(|inner| inner.inspects_errors())
    }

    /// Decides about one error reply, for `reconnectOnError`. `None` (no such option) delivers it.
    fn on_error_reply(&self, error: &RedisError) -> Option<BoxFuture<ErrorAction>> {
        self.inner()?.on_error_reply(error)
    }

    /// Reports a change of the state. `error` is its reason, if it has one.
    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        if let Some(inner) = self.inner() {
            inner.state_changed(state, error);
        }
    }

    /// Returns the counters of the link. Called once, when the link is made.
    fn traffic(&self) -> Arc<Traffic> {
        self.inner().map_or_else(Arc::default, |inner| inner.traffic())
    }
}

/// Carries packed commands to Redis and their replies back, reconnecting as its policy says.
pub trait Link: Send + Sync {
    /// Takes all of `commands` in order and leaves it empty with its capacity. Writes at once from the calling thread if
    /// the socket has room. Never blocks, and can be called on any thread. Before the link is ready, commands wait in its
    /// offline queue, or are refused if that is off.
    fn submit(&self, commands: &mut Commands);

    /// As [`Link::submit`], to the node with that name. A link that is no Cluster has one node only.
    fn submit_to(&self, _node: &str, commands: &mut Commands) {
        self.submit(commands);
    }

    /// State of the link.
    fn state(&self) -> LinkState;

    /// `host:port` or the socket's path, of the last attempt to connect.
    fn node(&self) -> Arc<str>;

    /// Progress of the replies. Only a connection to one Redis counts them.
    fn progress(&self) -> ReplyProgress {
        ReplyProgress::default()
    }

    /// Opens the link if it was not opened yet (`lazyConnect`).
    fn open(&self);

    /// Notes that the caller has selected another database. The next connection selects it too.
    fn selected(&self, _db: u32) {}

    /// Drops the socket and reconnects, as after a network failure.
    fn reset(&self);

    /// Sends QUIT behind all submitted commands, waits for the replies for at most `bound`, then closes for good. A link
    /// that is not ready closes at once, unless commands wait for a connection that opens. Queued commands fail with kind
    /// `Closed`.
    fn quit(&self, bound: Duration) -> BoxFuture<()>;

    /// Closes for good at once. Commands without a reply fail with kind `Closed`. Can be called twice.
    fn close(&self);

    /// As [`Link::close`], with `reason` as the error of pending and later commands.
    fn close_for(&self, _reason: RedisError) {
        self.close();
    }
}

/// Packs one command with `pack` (which must end it with the destination given), submits it and waits.
pub async fn call(
    link: &dyn Link,
    pack: impl FnOnce(&mut Commands, Destination),
) -> Result<Value, RedisError> {
    ask(link, pack, |commands| link.submit(commands)).await
}

/// As [`call`], on the node of that name.
pub async fn call_on(
    link: &dyn Link,
    node: &str,
    pack: impl FnOnce(&mut Commands, Destination),
) -> Result<Value, RedisError> {
    ask(link, pack, |commands| link.submit_to(node, commands)).await
}

async fn ask(
    link: &dyn Link,
    pack: impl FnOnce(&mut Commands, Destination),
    submit: impl FnOnce(&mut Commands),
) -> Result<Value, RedisError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let mut commands = Commands::default();
    pack(&mut commands, Destination::Task(sender));
    submit(&mut commands);
    match receiver.await {
        Ok(outcome) => outcome,
        Err(_) => Err(RedisError::local(RedisErrorKind::Closed, "Connection is closed.", &link.node())),
    }
}
