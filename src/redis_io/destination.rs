//! Destinations of replies.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::redis_io::error::RedisError;
use crate::redis_io::resp::{Reply, Value};

/// Names one reply to the sink of the link. Only the engine interprets the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTag {
    /// Kind of caller, as the engine numbers them.
    pub kind: u8,
    /// Index of the reply among those of the caller.
    pub index: u32,
    /// Number of the caller.
    pub id: u64,
}

/// Receives the replies to commands whose destination is [`Destination::Sink`].
///
/// Runs on the engine's thread, or on the submitting thread for a command that is refused at once. No lock of the link is held,
/// so a sink can submit again from inside.
pub trait ReplySink: Send + Sync {
    /// Receives the outcome of one command. An error reply of Redis arrives as `Err` of kind `Reply`.
    fn reply(&self, tag: ReplyTag, outcome: Result<Reply<'_>, RedisError>);

    /// Ends a burst: all replies of one read from the socket were delivered.
    fn burst_end(&self) {}
}

/// Sink of a connection on which a task waits for every reply.
pub struct DiscardReplies;

impl ReplySink for DiscardReplies {
    fn reply(&self, _tag: ReplyTag, _outcome: Result<Reply<'_>, RedisError>) {}
}

/// Collects the replies of many commands.
pub trait ReplyCollector: std::fmt::Debug + Send + Sync {
    /// Receives the reply of the command with that number.
    fn reply(&self, number: u32, outcome: Result<Reply<'_>, RedisError>);
}

/// Destination of a reply.
#[derive(Debug)]
pub enum Destination {
    /// To the sink of the link.
    Sink(ReplyTag),
    /// To one awaiting task, as an owned value.
    Task(oneshot::Sender<Result<Value, RedisError>>),
    /// Collector of the replies of many commands, with the number of this one.
    ReplyCollector(Arc<dyn ReplyCollector>, u32),
    /// Nowhere: read and dropped.
    Nowhere,
}

impl Destination {
    /// Delivers an outcome.
    pub fn deliver(self, sink: &dyn ReplySink, outcome: Result<Reply<'_>, RedisError>) {
        match self {
            Self::Sink(tag) => sink.reply(tag, outcome),
            // The caller can have stopped waiting.
            Self::Task(sender) => drop(sender.send(outcome.map(Value::from))),
            Self::ReplyCollector(collector, number) => collector.reply(number, outcome),
            Self::Nowhere => {}
        }
    }
}
