//! State of a producer: its waits, its subscriptions, and the waits whose time is over.

use tokio::time::Instant;

use crate::redis_io::glob;
use crate::redis_io::world::map::HashMap;

use crate::engine::host::RequestId;
use crate::engine::producer::completion_tracker::CompletionTracker;
use crate::engine::producer::held_sends::HeldSends;
use crate::engine::producer::known_groups::KnownGroups;
use crate::engine::producer::sending::send_plan::QueuedSend;
use crate::engine::producer::transaction::Transacting;
use crate::engine::runtime::budget::Budget;

/// State of a producer.
#[derive(Debug, Default)]
pub(crate) struct ProducerState {
    pub(crate) completions: CompletionTracker,
    /// Groups that exist.
    pub(crate) known_groups: KnownGroups,
    /// Time of the next query, while a task waits for it.
    pub(crate) checks_at: Option<Instant>,
    pub(crate) channels: HashMap<String, Channel>,
    /// Sends that wait for a subscription.
    pub(crate) held: HeldSends,
    /// Right of the user to transactions.
    pub(crate) transacting: Transacting,
    pub(crate) listened: Vec<ListenedStream>,
    /// Waits whose time is over, for one common diagnosis.
    pub(crate) expired: Vec<ExpiredWait>,
    /// Budget of their queries.
    pub(crate) examinations: Budget,
    /// Number of completions received.
    pub(crate) received: u64,
    /// True if completions of all its jobs are received, awaited or not (`listen()` without a stream).
    pub(crate) listens_to_own_jobs: bool,
}

impl ProducerState {
    /// Returns true if the completions of a job must be received.
    pub(crate) fn awaits(&self, queued: &QueuedSend) -> bool {
        queued.wait.is_some() || self.listens_to_own_jobs
    }
}

/// The producer's own channel of one stream.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Jobs were sent to the stream, without a subscription.
    NotSubscribed,
    /// The subscription is not confirmed yet. Jobs are sent after the confirmation, so that no completion is missed.
    Subscribing,
    /// Confirmed.
    Subscribed,
}

/// Streams that the user listens to.
#[derive(Debug)]
pub(crate) struct ListenedStream {
    pub(crate) stream: String,
    pub(crate) pattern: String,
    pub(crate) confirmed: bool,
}

impl ListenedStream {
    /// Returns true if the listener covers the stream. A name without `*` covers that stream alone.
    pub(crate) fn matches(&self, stream: &str) -> bool {
        match self.stream.contains('*') {
            true => glob::matches(self.stream.as_bytes(), stream.as_bytes()),
            false => self.stream == stream,
        }
    }
}

/// A wait whose time is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpiredWait {
    pub(crate) wait: u32,
    pub(crate) request: RequestId,
}
