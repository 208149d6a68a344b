//! A connection that hears of published messages.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::codec::Reply;
use super::command::{Commands, Destination, Ticket};
use super::connection::Connection;
use super::error::RedisError;
use super::link::{BoxFuture, Link, LinkPolicy, LinkState, PushSink, ReplySink, Verdict, call};
use super::options::LinkOptions;

/// A connection in subscriber mode. What is subscribed stays so over reconnections.
pub struct Subscriber {
    connection: Arc<Connection>,
    memory: Arc<Memory>,
}

impl Subscriber {
    /// A subscriber that is being opened; messages go to `pushes`.
    pub fn new(
        options: Arc<LinkOptions>,
        policy: Arc<dyn LinkPolicy>,
        pushes: Arc<dyn PushSink>,
        runtime: Handle,
    ) -> Arc<Self> {
        let memory = Arc::new(Memory {
            resubscribe: options.resubscribe,
            policy,
            pushes: pushes.clone(),
            connection: OnceLock::new(),
            names: Mutex::default(),
        });
        let connection =
            Connection::with_pushes(options, memory.clone(), Arc::new(Unasked), Some(pushes), runtime);
        // Set once, here, before anybody else has the memory.
        let _ = memory.connection.set(Arc::downgrade(&connection));
        Arc::new(Self { connection, memory })
    }

    /// Subscribes to channels; resolves once Redis has confirmed them all.
    pub fn subscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask("SUBSCRIBE", channels, |names, channel| names.channels.insert(channel))
    }

    /// Subscribes to patterns; resolves once Redis has confirmed them all.
    pub fn psubscribe(&self, patterns: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask("PSUBSCRIBE", patterns, |names, pattern| names.patterns.insert(pattern))
    }

    /// Takes subscriptions back.
    pub fn unsubscribe(&self, channels: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask("UNSUBSCRIBE", channels, |names, channel| names.channels.remove(&channel))
    }

    /// Takes subscriptions to patterns back.
    pub fn punsubscribe(&self, patterns: Vec<Vec<u8>>) -> BoxFuture<Result<(), RedisError>> {
        self.ask("PUNSUBSCRIBE", patterns, |names, pattern| names.patterns.remove(&pattern))
    }

    /// Resolves once the connection is ready and Redis lets us in.
    pub fn ping(&self) -> BoxFuture<Result<(), RedisError>> {
        let connection = self.connection.clone();
        Box::pin(async move {
            call(connection.as_ref(), |commands, to| commands.begin("PING", 1).end(to)).await.map(drop)
        })
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> LinkState {
        self.connection.state()
    }

    /// As [`Link::quit`].
    pub fn quit(&self, bound: Duration) -> BoxFuture<()> {
        self.connection.quit(bound)
    }

    /// As [`Link::close`].
    pub fn close(&self) {
        self.connection.close();
    }

    /// One command per name, so that each has a reply of its own; all in one write. Submitted at the call, so that
    /// what is asked for later comes later.
    fn ask(
        &self,
        name: &'static str,
        words: Vec<Vec<u8>>,
        note: fn(&mut Names, Vec<u8>) -> bool,
    ) -> BoxFuture<Result<(), RedisError>> {
        let mut commands = Commands::default();
        let mut replies = Vec::with_capacity(words.len());
        for word in words {
            let (sender, receiver) = oneshot::channel();
            commands.begin(name, 2).arg(&word).end(Destination::Task(sender));
            replies.push((word, receiver));
        }
        self.connection.submit(&mut commands);
        let memory = self.memory.clone();
        Box::pin(async move {
            let mut outcome = Ok(());
            for (word, reply) in replies {
                match reply.await {
                    Ok(Ok(_)) => {
                        note(&mut memory.names(), word);
                    }
                    Ok(Err(error)) => outcome = outcome.and(Err(error)),
                    // The connection always answers before it goes.
                    Err(_) => {}
                }
            }
            outcome
        })
    }
}

#[derive(Default)]
struct Names {
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
}

/// What is subscribed; subscribes it again when the connection comes back.
struct Memory {
    resubscribe: bool,
    policy: Arc<dyn LinkPolicy>,
    pushes: Arc<dyn PushSink>,
    connection: OnceLock<Weak<Connection>>,
    names: Mutex<Names>,
}

impl Memory {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn subscribe_again(&self) {
        let Some(connection) = self.connection.get().and_then(Weak::upgrade) else { return };
        let mut commands = Commands::default();
        {
            let names = self.names();
            for channel in &names.channels {
                commands.begin("SUBSCRIBE", 2).arg(channel).end(Destination::Nowhere);
            }
            for pattern in &names.patterns {
                commands.begin("PSUBSCRIBE", 2).arg(pattern).end(Destination::Nowhere);
            }
        }
        if !commands.is_empty() {
            connection.submit(&mut commands);
            self.pushes.resubscribed();
        }
    }
}

impl LinkPolicy for Memory {
    fn retry_delay(&self, attempt: u32) -> BoxFuture<Option<Duration>> {
        self.policy.retry_delay(attempt)
    }

    fn judges(&self) -> bool {
        self.policy.judges()
    }

    fn judge(&self, error: &RedisError) -> Option<BoxFuture<Verdict>> {
        self.policy.judge(error)
    }

    fn state_changed(&self, state: LinkState, error: Option<&RedisError>) {
        if state == LinkState::Ready && self.resubscribe {
            self.subscribe_again();
        }
        self.policy.state_changed(state, error);
    }
}

/// Every reply of a subscriber goes to a task.
struct Unasked;

impl ReplySink for Unasked {
    fn reply(&self, _: Ticket, _: Result<Reply<'_>, RedisError>) {}
}

