//! Numbers of the operations and events in packets. The facade reads them from here, so both sides agree.

use napi_derive::napi;

/// Operations of a request packet. The listed numbers follow each one, and its texts and blobs in the listed order. The
/// number of a text (¶) is its length. It is -1 for a text that goes as a blob, since it is too long for the packet's
/// string.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `link, request, count, job¶, count × (key¶, timeout, value: ¶, -1 for a blob, -2-n for n bytes)`
    Push = 1,
    /// `link, request, gets, dels, job¶, gets × (key¶, asText), dels × key¶`
    Pull = 2,
    /// `producer, request, plan, capped, wait, flags, record, job¶`, and by the bits of `flags`, those of `SendFlag`:
    /// `headers¶`; `key¶`; `count, count × (key¶, use: a PayloadUse, expiry, value: as in Push)`; `returns¶`; `id¶, ttl`; `delay`; `due`
    Send = 3,
    /// `producer, wait`
    ForgetWait = 4,
    /// `consumer, count, count × (token, request)`
    Resolve = 5,
    /// `consumer, token, request, unrecoverable, error¶`
    Reject = 6,
    /// `consumer, token`
    Release = 7,
    /// `link, request, index, flags, key, count, count × (word: as a value)`. The command's name is word 0. `flags` are
    /// those of `CallFlag`. With `Beside` one more word follows. `key` is the position of the first key, which decides
    /// the node of a Cluster, or -1 for none.
    Call = 8,
    /// `producer, wait, request`: the value of the request is the text of the diagnosis, if there is one
    Diagnose = 9,
    /// `consumer, token, request, removals, writes, answers, removals × key¶, writes × (key¶, expiry, value: as in Push),
    /// answers × (key¶, value: as in Push)`: a success with payload changes and an answer
    ResolveWith = 10,
    /// `producer, request, count, count × (as Send from `plan` on)`: jobs of one transaction. An error of one job is a
    /// `CallFailed` with its index.
    SendTogether = 11,
}

/// Flags of a job that is sent.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFlag {
    /// Ends the wait at the first error.
    EndsAtError = 1,
    /// Sends headers.
    Headers = 2,
    /// Sends payload values.
    Payload = 4,
    /// Names payload keys that the completion returns.
    Returns = 8,
    /// Makes the entry the only copy of its values.
    OnlyCopy = 16,
    /// Sends the key that leads the job to a partition.
    Key = 32,
    /// Has an idempotency id.
    Once = 256,
    /// Has a delay. The id is in place too.
    Delayed = 512,
    /// Has a due time too.
    Due = 2048,
    /// Has the id of the job in place of an idempotency id.
    OfJob = 1024,
}

/// Use of a payload value that leaves with a job.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadUse {
    /// Writes the payload key.
    Key = 1,
    /// Puts the value into the entry.
    Carry = 2,
    /// Does both.
    KeyAndCarry = 3,
}

/// Flags of a command of the user.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFlag {
    /// The last of its request.
    Last = 1,
    /// Belongs to the transaction of the command before it, and is sent again only together with it.
    Follows = 2,
    /// Never sent again.
    Once = 4,
    /// Goes to the node of the key that follows its words.
    Beside = 8,
}

/// Events of an event packet. The listed numbers follow each one, and its texts and blobs in the listed order.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// `request`
    Done = 1,
    /// `request, error`
    Failed = 2,
    /// `request, index`
    Missing = 3,
    /// `request, index, offset, length` within the packet's bytes
    Bytes = 4,
    /// `request, index, blob`
    Blob = 5,
    /// `request, index, text¶`
    Text = 6,
    /// `request, index, value`
    Called = 7,
    /// `request, index, error`
    CallFailed = 8,
    /// `wait, count, count × (at, group¶, error¶ or -1, answers or -1, answers × (key¶, value))`
    Outcome = 9,
    /// `wait`
    Abandoned = 10,
    /// `producer, stream¶, job¶, group¶, error¶ or -1`
    Heard = 11,
    /// `producer, channel¶, message¶`
    Unreadable = 12,
    /// `consumer, stream, count, count × (token, job¶)`
    Jobs = 13,
    /// `consumer, failure, token (or a count), error`
    ConsumerFailed = 14,
    /// `consumer, token`
    DeadlinePassed = 15,
    /// `consumer`
    Drained = 16,
    /// `node, question, retry, attempt`
    RetryAsked = 17,
    /// `node, question, error`
    ReconnectAsked = 18,
    /// `client, state¶, hasError, error`
    LinkChanged = 19,
    /// nothing: `openLinks()` has the count
    LinksChanged = 20,
    /// `producer, error`
    ProducerFailed = 21,
    /// `consumer, idle, deliveries, id¶, owner¶, stream¶, producer¶, job¶`
    Claimed = 22,
    /// `consumer, moved`, then as `Claimed` from `idle` on
    Exhausted = 23,
    /// `consumer, stream, count, pending`
    Trimmed = 24,
    /// `producer, count`
    EventsDropped = 25,
    /// `node, isOut, failures, port or -1, host or path¶, error`
    RingChanged = 26,
    /// `node, state¶, place¶, hasError, error`
    NodeChanged = 27,
    /// `consumer, token, key¶`, then a value, in front of its `Jobs`
    Prefetched = 28,
    /// `consumer, token, headers¶`, in front of its `Jobs`
    Headers = 29,
    /// `consumer, stream, count, count × name¶`
    Removed = 30,
    /// `consumer, token, flags, returns¶ or -1, key¶ by its flag, count, count × (key¶, value)`, in front of its `Jobs`. Flags are 1 for
    /// an entry that is the only copy, and 2 for a key.
    Carried = 31,
    /// `consumer, stream, fencing number or 0`
    Owned = 32,
    /// `listener, channel¶`, then a value
    ChunksPublished = 41,
    /// `listener, node`
    ChunksMissed = 42,
}

/// Kinds of values in a reply. The kind comes first, then the listed numbers.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Nothing follows.
    Nil = 0,
    /// `text¶`
    Simple = 1,
    /// `number`
    Integer = 2,
    /// `blob`
    Blob = 3,
    /// `count`, then that number of values
    Array = 4,
    /// `text¶`: an error within an array
    Error = 5,
    /// `offset, length` within the packet's bytes
    Bytes = 6,
    /// `text¶`: an integer beyond the exact numbers of JavaScript
    Large = 7,
}
