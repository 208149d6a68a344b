//! Hands the replies of a bus' shared connection to who asked.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, Weak};

use crate::redis_io::command::Ticket;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::ReplySink;
use crate::redis_io::resp::{Reply, Value};
use crate::redis_io::streams::entry::EntryId;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::state::settlement_batch::Part;
use crate::engine::host::{Event, Host, Payload, RequestId};
use crate::engine::producer::Producer;

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
    fn of(ticket: Ticket) -> Option<Self> {
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
    pub(crate) fn is_failure(ticket: Ticket) -> bool {
        ticket.kind == Self::FailurePublished as u8
    }

    /// The part of a settlement that a ticket is about, if it is about one.
    pub(crate) fn part(ticket: Ticket) -> Option<Part> {
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

/// The sink of a shared connection.
pub struct Replies {
    host: Arc<dyn Host>,
    /// Written when a consumer comes or goes, read by the engine's thread for each batch of acknowledgements.
    consumers: RwLock<HashMap<u32, Weak<Consumer>>>,
    /// Written when a producer comes or goes, read by the engine's thread for each job that is waited for.
    producers: RwLock<HashMap<u32, Weak<Producer>>>,
}

impl Replies {
    /// A sink that tells `host`.
    pub fn new(host: Arc<dyn Host>) -> Arc<Self> {
        Arc::new(Self { host, consumers: RwLock::default(), producers: RwLock::default() })
    }

    /// Replies for a consumer's number go to that consumer from now on.
    pub fn add_consumer(&self, consumer: &Arc<Consumer>) {
        let mut consumers = self.consumers.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        consumers.retain(|_, consumer| consumer.strong_count() > 0);
        consumers.insert(consumer.number(), Arc::downgrade(consumer));
    }

    /// The same for a producer.
    pub fn add_producer(&self, producer: &Arc<Producer>) {
        let mut producers = self.producers.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        producers.retain(|_, producer| producer.strong_count() > 0);
        producers.insert(producer.number(), Arc::downgrade(producer));
    }

    /// A producer's job is an entry.
    fn note_entry(&self, ticket: Ticket, entry: &[u8]) {
        let Some(entry) = EntryId::parse(entry) else { return };
        let producers = self.producers.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let producer = producers.get(&(ticket.index & !LAST)).and_then(Weak::upgrade);
        drop(producers);
        if let Some(producer) = producer {
            producer.sent((ticket.id >> 32) as u32, entry);
        }
    }

    fn consumer(&self, ticket: Ticket) -> Option<Arc<Consumer>> {
        let consumers = self.consumers.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        consumers.get(&((ticket.id >> 32) as u32)).and_then(Weak::upgrade)
    }

    fn answer(&self, kind: Kind, ticket: Ticket, outcome: Result<Reply<'_>, RedisError>) {
        let request = ticket.id as RequestId;
        let index = ticket.index & !LAST;
        match (kind, outcome) {
            (Kind::Bytes | Kind::Text, Ok(reply)) => self.value(kind, request, index, &reply),
            (Kind::Bytes | Kind::Text, Err(error)) if is_about_the_key(&error) => {}
            (Kind::Call, Ok(reply)) => {
                self.host.event(Event::Called { request, index, value: &Value::from(reply) });
            }
            (Kind::Call, Err(error)) => {
                self.host.event(Event::CallFailed { request, index, error: &error });
            }
            (_, Ok(_)) => {}
            (_, Err(error)) => self.host.event(Event::Failed { request, error: &error }),
        }
        if kind == Kind::Last || ticket.index & LAST != 0 {
            self.host.event(Event::Done { request });
        }
    }

    fn value(&self, kind: Kind, request: RequestId, index: u32, reply: &Reply<'_>) {
        let payload = match (reply, kind) {
            (Reply::Bulk(bytes), Kind::Text) => Payload::Text(bytes),
            (Reply::Bulk(bytes), _) => Payload::Bytes(bytes),
            _ => Payload::Missing,
        };
        self.host.event(Event::Value { request, index, payload });
    }
}

/// A key of another type is no payload; anything else that fails says nothing about the key.
fn is_about_the_key(error: &RedisError) -> bool {
    error.kind == RedisErrorKind::Reply && error.reply_code() == Some("WRONGTYPE")
}

impl ReplySink for Replies {
    fn reply(&self, ticket: Ticket, outcome: Result<Reply<'_>, RedisError>) {
        if Kind::part(ticket).is_some() {
            if Consumer::hears_of(ticket, &outcome)
                && let Some(consumer) = self.consumer(ticket)
            {
                consumer.told(ticket, outcome);
            }
            return;
        }
        let Some(kind) = Kind::of(ticket) else { return };
        match kind {
            Kind::Sent => {
                if let Ok(Reply::Bulk(entry)) = &outcome {
                    self.note_entry(ticket, entry);
                }
                let ticket = Ticket { index: LAST, ..ticket };
                self.answer(kind, ticket, outcome);
            }
            _ => self.answer(kind, ticket, outcome),
        }
    }

    fn burst_end(&self) {
        self.host.wake();
    }
}
