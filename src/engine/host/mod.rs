//! The traits through which the engine reports to its host.

pub mod callbacks;
pub mod context;
pub mod job_token;

use std::time::Duration;

use crate::redis_io::error::RedisError;
use crate::redis_io::link::LinkState;
use crate::redis_io::options::Endpoint;
use crate::redis_io::resp::Value;
use crate::redis_io::streams::entry::EntryId;

use crate::engine::host::job_token::JobToken;
use crate::redis_io::streams::carried_payload::CarriedPayload;

/// Number of a request, given by the host. 0 is no request.
pub type RequestId = u32;

/// Receiver of jobs for a processor.
pub trait Jobs: Send + Sync {
    /// Takes jobs of one stream of a consumer, in the order of the stream. The consumer's state is locked during the
    /// call, so an implementation must queue them and return.
    fn jobs(&self, consumer: u32, stream: u32, jobs: &mut dyn Iterator<Item = (JobToken, &str)>);
}

/// Receiver of everything else.
pub trait Events: Send + Sync {
    /// Takes an event. An implementation must queue it and return.
    fn event(&self, event: Event<'_>);

    /// Delivers the queued events to the user. Called once per burst, not once per event.
    fn wake(&self);
}

/// Program that embeds the engine.
pub trait Host: Jobs + Events {}

impl<T: Jobs + Events> Host for T {}

/// Value of a payload key.
#[derive(Debug)]
pub enum Payload<'a> {
    /// The key does not exist.
    Missing,
    /// Its bytes, for a caller that wants bytes.
    Bytes(&'a [u8]),
    /// Its bytes, for a caller that wants text.
    Text(&'a [u8]),
}

/// Operation of a consumer that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Read of entries.
    Consume,
    /// Settlement of a job.
    Settle(JobToken),
    /// Settlement of further jobs, with their count.
    Unsettled(u32),
    /// An entry of the stream is not a job of this bus and was skipped.
    Foreign,
}

/// Operation that will be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Connection attempt.
    Connection,
    /// Query of all sentinels.
    Sentinels,
}

/// A payload key and its value.
pub type AnswerValue = (String, Vec<u8>);

/// Completion of one group within an outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCompletion {
    /// The group's name.
    pub group: String,
    /// Time at which this process received it, in ms since the epoch.
    pub at: f64,
    /// The error as JSON; `None` for success.
    pub error: Option<String>,
    /// Values that the completion returned, by payload key. `None` if the completion was missed, so that they are not known.
    pub answer: Option<Vec<AnswerValue>>,
}

/// An entry that was pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingJob {
    /// Its id.
    pub id: EntryId,
    /// The stream's key.
    pub stream: String,
    /// Last consumer of the entry.
    pub owner: String,
    /// Time since its last delivery or lease renewal.
    pub idle: Duration,
    /// Number of deliveries so far.
    pub deliveries: u64,
    /// Id of the producer. Empty if the entry does not name it.
    pub producer: String,
    /// The job's id.
    pub job: String,
}

/// Event for the host.
#[expect(
    missing_docs,
    reason = "the variants say what their fields, named as everywhere in the engine, mean"
)]
#[derive(Debug)]
pub enum Event<'a> {
    /// End of a request, after every `Value`, `Called` and `Failed` of it.
    Done { request: RequestId },
    /// An operation of the request failed. `Done` follows.
    Failed { request: RequestId, error: &'a RedisError },
    /// Value of the payload key at `index` of the request. A key that cannot be read as one is not reported.
    Value { request: RequestId, index: u32, payload: Payload<'a> },
    /// The reply to a command of the user.
    Called { request: RequestId, index: u32, value: &'a Value },
    /// The command of the user at `index` of the request failed.
    CallFailed { request: RequestId, index: u32, error: &'a RedisError },
    /// A wait for completions is over. Completions are in the order of arrival.
    Outcome { wait: u32, arrivals: &'a [GroupCompletion] },
    /// A wait for completions ends without an outcome, since the bus was stopped.
    Abandoned { wait: u32 },
    /// A completion that a producer listens to.
    CompletionReceived {
        producer: u32,
        stream: &'a str,
        job: &'a str,
        group: &'a str,
        error: Option<&'a str>,
    },
    /// A message on a producer's channel is no completion.
    Unreadable { producer: u32, channel: &'a [u8], message: &'a [u8] },
    /// A message on the channel of a result.
    ChunksPublished { listener: u32, channel: &'a [u8], message: &'a [u8] },
    /// Messages on the channels of results on a node can be missing. `node` is the host's number.
    ChunksMissed { listener: u32, node: u32 },
    /// After a reconnection Redis refused a subscription of this producer. Its completions are lost.
    ProducerFailed { producer: u32, error: &'a RedisError },
    /// A consumer failed.
    ConsumerFailed { consumer: u32, failure: Failure, error: &'a RedisError },
    /// Value of a payload key of a job that is about to begin.
    Prefetched { consumer: u32, token: JobToken, key: &'a str, payload: &'a [u8] },
    /// Headers of a job that is about to begin, as JSON.
    Headers { consumer: u32, token: JobToken, headers: &'a str },
    /// Payload that a job's entry carries. `Jobs::jobs` of that job follows.
    Carried { consumer: u32, token: JobToken, carried: &'a CarriedPayload },
    /// A job ran past its deadline and is rejected.
    DeadlinePassed { consumer: u32, token: JobToken },
    /// A consumer has claimed an idle entry. Its job runs.
    Claimed { consumer: u32, entry: &'a PendingJob },
    /// An entry reached the retry limit and is not delivered again. `moved` is true if it is in the dead letters.
    Exhausted { consumer: u32, entry: &'a PendingJob, moved: bool },
    /// Entries were trimmed or deleted before the group completed them. `pending` is true if they were delivered.
    Trimmed { consumer: u32, stream: u32, count: u64, pending: bool },
    /// A consumer has removed idle consumers from its group.
    Removed { consumer: u32, stream: u32, names: &'a [String] },
    /// A consumer owns a partition, by its fencing number, or does not own it any more, with 0.
    Owned { consumer: u32, stream: u32, fence: u64 },
    /// A consumer has no job in flight any more.
    Drained { consumer: u32 },
    /// Question for the delay before a retry. The answer must name the question.
    RetryAsked { node: u32, question: u32, retry: Retry, attempt: u32 },
    /// Question for the meaning of an error reply to the connection. The answer must name the question.
    ReconnectAsked { node: u32, question: u32, error: &'a RedisError },
    /// A connection changed its state.
    LinkChanged { client: u32, state: LinkState, error: Option<&'a RedisError> },
    /// A node was ejected or readmitted, with the number of failures in a row and the last of them.
    RingChanged { node: u32, is_out: bool, failures: u32, endpoint: &'a Endpoint, error: &'a RedisError },
    /// The shared connection to a node was made, is ready, or is being made again because of `error`.
    NodeChanged { node: u32, state: LinkState, place: &'a str, error: Option<&'a RedisError> },
    /// A connection was opened or has ended. `Context::open_links` has the count.
    LinksChanged,
}
