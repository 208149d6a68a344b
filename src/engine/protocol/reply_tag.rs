//! Tags of replies: the receiver of a reply, and its number among the replies for that receiver.

use std::sync::Arc;

use crate::redis_io::command::ReplyTag;
use crate::redis_io::error::RedisError;
use crate::redis_io::resp::{Reply, Token};

/// Bit in the index of the last reply of a request or batch.
pub const LAST: u32 = 1 << 31;

/// Receiver of a reply; the `kind` of its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ReplyKind {
    /// Request for the success of a command, at a reply before the last one.
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
    /// A request, for the XADD of a job with a wait: id is wait and request, index the producer.
    Sent = 7,
    /// A consumer, for a record: as for a PUBLISH.
    Recorded = 8,
    /// A consumer, for the XCLAIM that delays an entry: as for a PUBLISH.
    Postponed = 9,
    /// A consumer, for the PUBLISH of a failure: as for a PUBLISH.
    FailurePublished = 10,
    /// A request, for the EXEC that sends a job with its payload keys: as for an XADD with a wait. Wait 0 is none.
    SentInTransaction = 11,
    /// A consumer, for a command of a transaction that settles jobs: id is consumer and batch, index the group of jobs.
    Transacted = 12,
    /// A request, for the XADD within the transaction that sends a job: as for its EXEC.
    Added = 13,
    /// A consumer, for a DEL of payload keys without a transaction: as for a PUBLISH.
    Removed = 14,
    /// A request, for the EXEC that sends several jobs: id is the request, index the producer.
    SentTogether = 15,
    /// A consumer, for a command of the transaction that settles one job: as for a PUBLISH.
    TransactedAlone = 16,
    /// A consumer, for the XPENDING of an entry whose transaction lost its connection: as for a PUBLISH.
    PendingQueried = 17,
    /// Nobody, for the MULTI of a transaction that settles jobs: id is consumer and batch. It binds the transaction to the
    /// commands of its batch, so that a full queue refuses the batch whole.
    TransactionBegun = 18,
    /// A request, for the script that sends a job with an idempotency id: as for an XADD with a wait. Wait 0 is none.
    SentOnce = 19,
}

impl ReplyKind {
    /// ReplyKind of a ticket, or `None` if it has none.
    pub(crate) fn of(ticket: ReplyTag) -> Option<Self> {
        const KINDS: [ReplyKind; 20] = [
            ReplyKind::Part,
            ReplyKind::Last,
            ReplyKind::Bytes,
            ReplyKind::Text,
            ReplyKind::Call,
            ReplyKind::Acknowledged,
            ReplyKind::Published,
            ReplyKind::Sent,
            ReplyKind::Recorded,
            ReplyKind::Postponed,
            ReplyKind::FailurePublished,
            ReplyKind::SentInTransaction,
            ReplyKind::Transacted,
            ReplyKind::Added,
            ReplyKind::Removed,
            ReplyKind::SentTogether,
            ReplyKind::TransactedAlone,
            ReplyKind::PendingQueried,
            ReplyKind::TransactionBegun,
            ReplyKind::SentOnce,
        ];
        KINDS.get(usize::from(ticket.kind)).copied()
    }

    /// Returns the kind and index of the reply to a step of a settlement.
    pub(crate) fn of_step(step: SettlementStep, is_failure: bool) -> (Self, u32) {
        match step {
            SettlementStep::Delay(at) => (Self::Postponed, at as u32),
            SettlementStep::Transaction(group) => (Self::Transacted, group.to_index()),
            SettlementStep::TransactionAlone(at) => (Self::TransactedAlone, at as u32),
            SettlementStep::PendingQuery(at) => (Self::PendingQueried, at as u32),
            SettlementStep::Record(at) => (Self::Recorded, at as u32),
            SettlementStep::Removal(at) => (Self::Removed, at as u32),
            SettlementStep::Acknowledgement(stream) => (Self::Acknowledged, stream),
            SettlementStep::Completion(at) if is_failure => (Self::FailurePublished, at as u32),
            SettlementStep::Completion(at) => (Self::Published, at as u32),
        }
    }

    /// Returns true if a ticket belongs to the PUBLISH of a failure.
    pub(crate) fn is_failure(ticket: ReplyTag) -> bool {
        ticket.kind == Self::FailurePublished as u8
    }

    /// Returns the step of a settlement that a ticket belongs to.
    pub(crate) fn settlement_step(ticket: ReplyTag) -> Option<SettlementStep> {
        let index = ticket.index & !LAST;
        match Self::of(ticket)? {
            Self::Postponed => Some(SettlementStep::Delay(index as usize)),
            Self::Transacted => Some(SettlementStep::Transaction(TransactionGroup::from_index(index))),
            Self::TransactedAlone => Some(SettlementStep::TransactionAlone(index as usize)),
            Self::PendingQueried => Some(SettlementStep::PendingQuery(index as usize)),
            Self::Recorded => Some(SettlementStep::Record(index as usize)),
            Self::Removed => Some(SettlementStep::Removal(index as usize)),
            Self::Acknowledged => Some(SettlementStep::Acknowledgement(index)),
            Self::Published | Self::FailurePublished => Some(SettlementStep::Completion(index as usize)),
            _ => None,
        }
    }
}

/// Jobs of one stream that one transaction settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionGroup {
    /// Index of the stream.
    pub stream: u16,
    /// Number of the group among those of the stream.
    pub number: u16,
}

impl TransactionGroup {
    /// Highest number of jobs, so that a transaction does not keep others waiting.
    pub const MOST_JOBS: usize = 64;

    fn to_index(self) -> u32 {
        u32::from(self.number) << 16 | u32::from(self.stream)
    }

    fn from_index(index: u32) -> Self {
        Self { stream: index as u16, number: (index >> 16) as u16 }
    }
}

/// Step of a batch of settlements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementStep {
    /// Delay of the job at this position.
    Delay(usize),
    /// All steps and payload changes of a group of jobs, in one transaction.
    Transaction(TransactionGroup),
    /// All steps and payload changes of the job at this position, in a transaction of its own.
    TransactionAlone(usize),
    /// Query whether the entry of the job at this position is pending.
    PendingQuery(usize),
    /// Record of the job at this position.
    Record(usize),
    /// Acknowledgement of all jobs of this stream.
    Acknowledgement(u32),
    /// Completion of the job at this position.
    Completion(usize),
    /// Removals of payload keys of the job at this position, without a transaction.
    Removal(usize),
}

/// Returns true if a reply to a settlement needs handling: an error, also of a command within a transaction, the last one
/// of its batch, or an undelivered failure.
pub fn is_significant(ticket: ReplyTag, outcome: &Result<Reply<'_>, RedisError>) -> bool {
    outcome.as_ref().map_or(true, |reply| matches!(reply, Reply::Array(_)))
        || ticket.index & LAST != 0
        || is_undelivered_failure(ticket, outcome)
        || is_untransacted(ticket, outcome)
}

/// Returns true for the reply to a command that ran by itself, since the user has no right to MULTI. Within a transaction
/// Redis replies QUEUED.
pub fn is_untransacted(ticket: ReplyTag, outcome: &Result<Reply<'_>, RedisError>) -> bool {
    let is_transacted =
        [ReplyKind::Transacted as u8, ReplyKind::TransactedAlone as u8].contains(&ticket.kind);
    is_transacted && matches!(outcome, Ok(Reply::Integer(_)))
}

/// Returns the outcome of an EXEC: its last reply, or the first error among its replies.
pub fn outcome_of_transaction<'a>(
    outcome: Result<Reply<'a>, RedisError>,
) -> Result<Option<&'a [u8]>, RedisError> {
    let Reply::Array(mut replies) = outcome? else { return Ok(None) };
    let mut last = None;
    while let Some(token) = replies.token() {
        match token {
            Token::Error(text) => return Err(RedisError::reply(text, "EXEC", &Arc::from(""))),
            Token::Bulk(bytes) => last = Some(bytes),
            _ => {}
        }
    }
    Ok(last)
}

/// Returns true if no connection received the completion of a failed job.
pub fn is_undelivered_failure(ticket: ReplyTag, outcome: &Result<Reply<'_>, RedisError>) -> bool {
    ReplyKind::is_failure(ticket) && matches!(outcome, Ok(Reply::Integer(0)))
}
