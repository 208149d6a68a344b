//! The numbers that name what a packet holds. The facade reads them from here, so the two sides cannot disagree.

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
    /// `producer, request, plan, capped, wait, flags, record, job¶`, and `headers¶` if `flags`, which are those of
    /// `SendFlag`, say so
    Send = 3,
    /// `producer, wait`
    ForgetWait = 4,
    /// `consumer, count, count × (token, request)`
    Resolve = 5,
    /// `consumer, token, request, unrecoverable, error¶`
    Reject = 6,
    /// `consumer, token`
    Release = 7,
    /// `link, request, index, flags, key, count, count × (word: as a value)`, the command's name being word 0; `flags`
    /// are those of `CallFlag`, of which `Beside` has one more word follow; `key` is the word that is its first key, which decides on the node of a Cluster, or -1
    /// for none
    Call = 8,
    /// `producer, wait, request`: the request's value is the text of why the wait is not over, if there is one
    Diagnose = 9,
}

/// Flags of a job that is sent.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFlag {
    /// Its wait is over at the first error.
    EndsAtError = 1,
    /// Something is sent along.
    Headers = 2,
}

/// Flags of a command of the user.
#[napi]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFlag {
    /// The last of its request.
    Last = 1,
    /// Of a transaction, as the command before it: sent again only together with that one.
    Follows = 2,
    /// Never sent again.
    Once = 4,
    /// It goes where commands with the key go that follows its words.
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
    /// `wait, count, count × (at, group¶, error¶ or -1)`
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
    /// `consumer, token, key¶`, then a value: before the `Jobs` that it is about
    Prefetched = 28,
    /// `consumer, token, headers¶`: before the `Jobs` that it is about
    Headers = 29,
    /// `consumer, stream, count, count × name¶`
    Removed = 30,
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
    /// `text¶`: an integer that no number of JavaScript can be equal to
    Large = 7,
}
