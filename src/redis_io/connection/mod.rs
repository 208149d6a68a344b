//! One connection to one Redis, made again as often as its policy allows.
//!
//! A driver task owns its life and shares the queue with the submitters. A submitted command is appended to the queue.
//! The submitting thread writes it at once if the socket has room. Otherwise the writer task writes it once the socket
//! has room or the connection is ready. The driver delivers the reply.

pub(crate) mod deadline_watch;
pub(crate) mod driver;
pub(crate) mod failures;
pub(crate) mod handshake;
pub(crate) mod host_lookup;
pub(crate) mod inner;
pub(crate) mod liveness;
pub(crate) mod liveness_watch;
pub(crate) mod lost_session;
pub(crate) mod redirector;
pub(crate) mod reply_reader;
pub(crate) mod request_queue;
pub(crate) mod resend;
pub(crate) mod resend_check;
pub(crate) mod sent_streams;
pub(crate) mod socket;
pub(crate) mod state;
mod stream_search;
pub mod tls;
pub(crate) mod writer;

pub use crate::redis_io::metrics;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::redis_io::command::Commands;
use crate::redis_io::connection::inner::DriverCommand;
use crate::redis_io::connection::sent_streams::SentStreams;
use crate::redis_io::connection::state::{ConnectionState, RefusedCommands, Sinks};
use crate::redis_io::error::RedisError;
use crate::redis_io::link::{BoxFuture, Link, LinkPolicy, LinkState, ReplyProgress, ReplySink};
use crate::redis_io::options::LinkOptions;
use crate::redis_io::tasks::Tasks;

/// Maximum time that commands wait at the end for a socket that is not open. The host name can be unknown to every name
/// server, or the host can be silent.
const OPENING: Duration = Duration::from_millis(900);

/// A connection. Dropping it closes it.
pub struct Connection {
    shared: Arc<ConnectionState>,
}

impl Connection {
    /// A connection that opens, unless the options are lazy. Its tasks run on `tasks`.
    pub fn new(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        sink: Arc<dyn ReplySink>,
        tasks: Tasks,
    ) -> Arc<Self> {
        Self::with_sinks(options, policy, Sinks { sink, pushes: None, redirector: None }, tasks)
    }

    /// As [`Connection::new`], with sinks for messages and redirects.
    pub(crate) fn with_sinks(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        sinks: Sinks,
        tasks: Tasks,
    ) -> Arc<Self> {
        let lazy = options.lazy;
        let shared = Arc::new(ConnectionState::new(options, policy, sinks, tasks));
        let connection = Arc::new(Self { shared });
        if !lazy {
            connection.open();
        }
        connection
    }
}

impl Connection {
    /// Adds what it has sent to what its link knows.
    pub(crate) fn note_sent(&self, sent: &mut SentStreams) {
        if let Some(own) = &self.shared.lock().sent {
            sent.absorb(own);
        }
    }

    /// Error that ended the last session or connection attempt.
    pub(crate) fn cause(&self) -> Option<RedisError> {
        self.shared.lock().cause.clone()
    }
}

impl Link for Connection {
    fn submit(&self, commands: &mut Commands) {
        let mut refused = RefusedCommands::default();
        let submitted = self.shared.submit(commands, &mut refused);
        if self.state() == LinkState::Wait {
            // Opened by a command that is refused too, but not before it was decided upon.
            self.open();
        }
        if let Err(refusal) = submitted {
            self.shared.refuse(commands, &refusal);
        }
        self.shared.refuse_at_once(refused);
    }

    fn state(&self) -> LinkState {
        self.shared.state()
    }

    fn node(&self) -> Arc<str> {
        self.shared.node()
    }

    fn progress(&self) -> ReplyProgress {
        self.shared.lock().queue.progress()
    }

    fn open(&self) {
        if self.shared.begin() {
            self.shared.tasks.spawn(driver::run(self.shared.clone()));
            if self.shared.options.command_timeout.is_some() {
                self.shared.tasks.spawn(deadline_watch::watch(self.shared.clone()));
            }
        }
    }

    fn selected(&self, db: u32) {
        self.shared.set_db(db);
    }

    fn reset(&self) {
        self.shared.send_command(DriverCommand::Reset);
    }

    fn quit(&self, bound: Duration) -> BoxFuture<()> {
        let quit = if bound.is_zero() { None } else { self.shared.send_quit() };
        let shared = self.shared.clone();
        Box::pin(async move {
            if let Some(mut quit) = quit {
                // The connection is closed next, with or without a reply to QUIT.
                let first = bound.min(OPENING);
                let is_late = timeout(first, &mut quit).await.is_err();
                if is_late && shared.state() != LinkState::Connecting {
                    let _ = timeout(bound.saturating_sub(first), quit).await;
                }
            }
            shared.close();
        })
    }

    fn close(&self) {
        self.shared.close();
    }

    fn close_for(&self, reason: RedisError) {
        self.shared.close_for(reason);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.close();
    }
}
