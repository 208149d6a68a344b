//! A connection of the bus under a name that outlives it: opened when first used, and again after it has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::redis_io::codec::Value;
use crate::redis_io::command::{Commands, Destination};
use crate::redis_io::connection::Connection;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, ReplySink, Verdict, call};

use super::host::{Event, Host, RequestId};
use super::options::NodeOptions;
use super::question::{Answer, Questions};

/// What everything of one host shares.
pub struct Context {
    /// Who is told.
    pub host: Arc<dyn Host>,
    /// Where tasks run.
    pub runtime: Handle,
    /// What the host was asked.
    pub questions: Questions,
    open_links: AtomicUsize,
}

impl Context {
    /// The context of a host whose engine runs on `runtime`.
    pub fn new(host: Arc<dyn Host>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self { host, runtime, questions: Questions::default(), open_links: AtomicUsize::new(0) })
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

    fn link_opened(&self) {
        self.open_links.fetch_add(1, Ordering::AcqRel);
        self.links_changed();
    }

    fn link_ended(&self) {
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

/// A named connection.
pub struct Client {
    policy: PolicyOptions,
    sink: Arc<dyn ReplySink>,
    /// A lock, since the host's thread and the engine's thread may both be the first to use the connection.
    link: Mutex<Option<Arc<Connection>>>,
    /// Counts the sessions that ended, so that what was learnt of one (its CLIENT ID) is not used for the next.
    session: Arc<AtomicU64>,
}

impl Client {
    /// A client that is not connected yet.
    pub fn new(policy: PolicyOptions, sink: Arc<dyn ReplySink>) -> Self {
        Self { policy, sink, link: Mutex::new(None), session: Arc::default() }
    }

    /// The connection, opened if there is none or the last one has ended; none while the bus is closing.
    pub fn link(&self) -> Option<Arc<Connection>> {
        let mut link = self.lock();
        if let Some(open) = link.as_ref().filter(|open| open.state() != LinkState::End) {
            return Some(open.clone());
        }
        if self.policy.closing.load(Ordering::Acquire) {
            return None;
        }
        let options = Arc::new(self.policy.options.link.clone());
        let policy = self.policy.for_link(self.session.clone());
        let opened = Connection::new(options, policy, self.sink.clone(), self.policy.context.runtime.clone());
        *link = Some(opened.clone());
        Some(opened)
    }

    /// The connection, if there is one that has not ended.
    pub fn current(&self) -> Option<Arc<Connection>> {
        self.lock().clone().filter(|link| link.state() != LinkState::End)
    }

    /// Submits to the connection, opening it if need be; nothing if there is nothing to submit.
    pub fn submit(&self, commands: &mut Commands) {
        if commands.is_empty() {
            return;
        }
        match self.link() {
            Some(link) => link.submit(commands),
            None => commands.refuse(self.sink.as_ref(), &closed()),
        }
    }

    /// Sends one command and waits for its reply.
    pub async fn call(&self, pack: impl FnOnce(&mut Commands, Destination)) -> Result<Value, RedisError> {
        match self.link() {
            Some(link) => call(link.as_ref(), pack).await,
            None => Err(closed()),
        }
    }

    /// How many sessions have ended so far.
    pub fn session(&self) -> u64 {
        self.session.load(Ordering::Acquire)
    }

    /// Closes the connection with QUIT if there is one, within `bound`.
    pub async fn quit(&self, bound: Duration) {
        let link = self.lock().take();
        if let Some(link) = link {
            link.quit(bound).await;
        }
    }

    /// Closes the connection at once.
    pub fn close(&self) {
        if let Some(link) = self.lock().take() {
            link.close();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Connection>>> {
        self.link.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Client {
    /// A connection nobody can name any more would live for ever.
    fn drop(&mut self) {
        self.close();
    }
}

/// What the policies of a bus' connections are made from.
#[derive(Clone)]
pub struct PolicyOptions {
    /// Whom to ask and tell.
    pub context: Arc<Context>,
    /// What the user chose.
    pub options: Arc<NodeOptions>,
    /// The node's number, for questions.
    pub node: u32,
    /// The number under which changes of state are reported, if they are.
    pub visible: Option<u32>,
    /// Whether the bus is closing, so that nothing is opened any more.
    pub closing: Arc<AtomicBool>,
}

impl PolicyOptions {
    /// The policy of one connection, which counts as open until it has ended.
    pub fn for_link(&self, session: Arc<AtomicU64>) -> Arc<Policy> {
        self.context.link_opened();
        Arc::new(Policy { options: self.clone(), session, ended: AtomicBool::new(false) })
    }
}

/// The decisions of one connection.
pub struct Policy {
    options: PolicyOptions,
    session: Arc<AtomicU64>,
    ended: AtomicBool,
}

impl LinkPolicy for Policy {
    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        if !self.options.options.asks_retry {
            return Box::pin(async move { Some(default_retry_delay(attempt)) });
        }
        let context = &self.options.context;
        let (question, answer) = context.questions.ask();
        context.host.event(Event::RetryAsked { node: self.options.node, question, attempt });
        context.host.wake();
        Box::pin(async move {
            match answer.await {
                Ok(Answer::Retry(delay)) => delay,
                _ => None,
            }
        })
    }

    fn judges(&self) -> bool {
        self.options.options.asks_reconnect
    }

    fn judge(&self, error: &RedisError) -> Option<BoxFuture<Verdict>> {
        if !self.options.options.asks_reconnect {
            return None;
        }
        let context = &self.options.context;
        let (question, answer) = context.questions.ask();
        context.host.event(Event::ReconnectAsked { node: self.options.node, question, error });
        context.host.wake();
        Some(Box::pin(async move {
            match answer.await {
                Ok(Answer::Reconnect(verdict)) => verdict,
                _ => Verdict::Deliver,
            }
        }))
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        if matches!(state, LinkState::Close | LinkState::End) {
            self.session.fetch_add(1, Ordering::AcqRel);
        }
        if let Some(client) = self.options.visible {
            self.options.context.host.event(Event::LinkChanged { client, state, error });
            self.options.context.host.wake();
        }
        if state == LinkState::End && !self.ended.swap(true, Ordering::AcqRel) {
            self.options.context.link_ended();
        }
    }
}

/// The error of what finds its connection closed for good.
pub fn closed() -> RedisError {
    RedisError::local(RedisErrorKind::Closed, "Connection is closed.", &Arc::from(""))
}

/// ioredis' default: 50 ms more with each attempt, up to two seconds.
fn default_retry_delay(attempt: u32) -> Duration {
    Duration::from_millis(u64::from(attempt).saturating_mul(50).min(2_000))
}
