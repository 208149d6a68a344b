//! The tags of replies: which caller a reply is for, and which of its replies it is.

use crate::redis_io::command::ReplyTag;
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::Reply;

/// Set in the index of the last reply that a request or batch gets.
pub const LAST: u32 = 1 << 31;

/// Who waits for a reply; the `kind` of its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A request that only wants to know whether it worked, at one of its replies.
    Part = 0,
    /// The same, at its last reply.
    Last = 1,
    /// A request, for a payload as bytes.
    Bytes = 2,
    /// A request, for a payload as text.
    Text = 3,
    /// A request, for a command of the user.
    Call = 4,
    /// A consumer, for an XACK: id is consumer and batch, index the stream.
    Acknowledged = 5,
    /// A consumer, for a PUBLISH: id is consumer and batch, index the position within the batch.
    Published = 6,
    /// A request, for the XADD of a job that is waited for: id is wait and request, index the producer.
    Sent = 7,
    /// A consumer, for a record: as for a PUBLISH.
    Recorded = 8,
    /// A consumer, for the XCLAIM that postpones an entry: as for a PUBLISH.
    Postponed = 9,
    /// A consumer, for the PUBLISH of a failure: as for a PUBLISH.
    FailurePublished = 10,
}

impl Kind {
    /// Kind of a ticket, or `None` if it has none.
    pub(crate) fn of(ticket: ReplyTag) -> Option<Self> {
        const KINDS: [Kind; 11] = [
            Kind::Part,
            Kind::Last,
            Kind::Bytes,
            Kind::Text,
            Kind::Call,
            Kind::Acknowledged,
            Kind::Published,
            Kind::Sent,
            Kind::Recorded,
            Kind::Postponed,
            Kind::FailurePublished,
        ];
        KINDS.get(usize::from(ticket.kind)).copied()
    }

    /// The kind and index of the reply to a part of a settlement, which may be about a job that failed.
    pub(crate) fn of_part(part: Part, is_failure: bool) -> (Self, u32) {
        match part {
            Part::Postponement(at) => (Self::Postponed, at as u32),
            Part::Record(at) => (Self::Recorded, at as u32),
            Part::Acknowledgement(stream) => (Self::Acknowledged, stream),
            Part::Notification(at) if is_failure => (Self::FailurePublished, at as u32),
            Part::Notification(at) => (Self::Published, at as u32),
        }
    }

    /// Whether a ticket is about the PUBLISH of a failure.
    pub(crate) fn is_failure(ticket: ReplyTag) -> bool {
        ticket.kind == Self::FailurePublished as u8
    }

    /// The part of a settlement that a ticket is about, if it is about one.
    pub(crate) fn part(ticket: ReplyTag) -> Option<Part> {
        let index = ticket.index & !LAST;
        match Self::of(ticket)? {
            Self::Postponed => Some(Part::Postponement(index as usize)),
            Self::Recorded => Some(Part::Record(index as usize)),
            Self::Acknowledged => Some(Part::Acknowledgement(index)),
            Self::Published | Self::FailurePublished => Some(Part::Notification(index as usize)),
            _ => None,
        }
    }
}

/// One part of what a batch tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of the job at this position.
    Postponement(usize),
    /// Of the job at this position.
    Record(usize),
    /// Of all jobs of this stream.
    Acknowledgement(u32),
    /// Of the job at this position.
    Notification(usize),
}

/// Whether a reply to a settlement needs handling: most replies are successes before the last one of their batch.
pub fn is_significant(ticket: ReplyTag, outcome: &Result<Reply<'_>, RedisError>) -> bool {
    outcome.is_err() || ticket.index & LAST != 0 || is_unheard_failure(ticket, outcome)
}

/// Whether a reply says that no connection received the completion of a failed job.
pub fn is_unheard_failure(ticket: ReplyTag, outcome: &Result<Reply<'_>, RedisError>) -> bool {
    Kind::is_failure(ticket) && matches!(outcome, Ok(Reply::Integer(0)))
}
