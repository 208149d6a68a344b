//! Routes the replies of a shared connection to requests, consumers and producers.

use std::sync::{Arc, RwLock, Weak};

use crate::redis_io::command::ReplyTag;
use crate::redis_io::error::{RedisError, RedisErrorKind};
use crate::redis_io::link::ReplySink;
use crate::redis_io::locked::RwLocked;
use crate::redis_io::resp::{Reply, Value};
use crate::redis_io::world::map::HashMap;

use crate::engine::host::{Event, Host, Payload, RequestId};
use crate::engine::protocol::reply_tag::{LAST, ReplyKind, is_significant, outcome_of_transaction};

/// Takes the replies to the commands of one consumer or producer.
pub trait ReplyHandler: Send + Sync {
    /// Takes a reply to one of its commands.
    fn on_reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>);
}

/// Handlers by the number in the ticket. A lock, since handlers come and go on the host's thread while the engine's
/// thread reads.
#[derive(Default)]
struct Handlers(RwLock<HashMap<u32, Weak<dyn ReplyHandler>>>);

impl Handlers {
    fn add(&self, number: u32, handler: Weak<dyn ReplyHandler>) {
        let mut handlers = self.0.write_locked();
        handlers.retain(|_, handler| handler.strong_count() > 0);
        handlers.insert(number, handler);
    }

    fn get(&self, number: u32) -> Option<Arc<dyn ReplyHandler>> {
        self.0.read_locked().get(&number).and_then(Weak::upgrade)
    }
}

/// The sink of a shared connection.
pub struct ReplyRouter {
    host: Arc<dyn Host>,
    consumers: Handlers,
    producers: Handlers,
}

impl ReplyRouter {
    /// A sink that reports to `host`.
    pub fn new(host: Arc<dyn Host>) -> Arc<Self> {
        Arc::new(Self { host, consumers: Handlers::default(), producers: Handlers::default() })
    }

    /// Sends replies to the settlements of the consumer of that number to `handler` from now on.
    pub fn add_consumer(&self, number: u32, handler: Weak<dyn ReplyHandler>) {
        self.consumers.add(number, handler);
    }

    /// Sends replies to the jobs that the producer of that number waits for to `handler` from now on.
    pub fn add_producer(&self, number: u32, handler: Weak<dyn ReplyHandler>) {
        self.producers.add(number, handler);
    }

    fn answer(&self, kind: ReplyKind, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        let request = ticket.id as RequestId;
        let index = ticket.index & !LAST;
        match (kind, outcome) {
            (ReplyKind::Bytes | ReplyKind::Text, Ok(reply)) => self.value(kind, request, index, &reply),
            (ReplyKind::Bytes | ReplyKind::Text, Err(error)) if is_about_the_key(&error) => {}
            (ReplyKind::Call, Ok(reply)) => {
                self.host.event(Event::Called { request, index, value: &Value::from(reply) });
            }
            (ReplyKind::Call, Err(error)) => {
                self.host.event(Event::CallFailed { request, index, error: &error });
            }
            (_, Ok(_)) => {}
            (_, Err(error)) => self.host.event(Event::Failed { request, error: &error }),
        }
        if kind == ReplyKind::Last || ticket.index & LAST != 0 {
            self.host.event(Event::Done { request });
        }
    }

    fn value(&self, kind: ReplyKind, request: RequestId, index: u32, reply: &Reply<'_>) {
        let payload = match (reply, kind) {
            (Reply::Bulk(bytes), ReplyKind::Text) => Payload::Text(bytes),
            (Reply::Bulk(bytes), _) => Payload::Bytes(bytes),
            _ => Payload::Missing,
        };
        self.host.event(Event::Value { request, index, payload });
    }
}

/// Returns true for a key of another type, which holds no payload. Other failures are reported.
fn is_about_the_key(error: &RedisError) -> bool {
    error.kind == RedisErrorKind::Reply && error.reply_code() == Some("WRONGTYPE")
}

impl ReplySink for ReplyRouter {
    fn reply(&self, ticket: ReplyTag, outcome: Result<Reply<'_>, RedisError>) {
        if ReplyKind::settlement_step(ticket).is_some() {
            if is_significant(ticket, &outcome)
                && let Some(consumer) = self.consumers.get((ticket.id >> 32) as u32)
            {
                consumer.on_reply(ticket, outcome);
            }
            return;
        }
        let Some(kind) = ReplyKind::of(ticket) else { return };
        match kind {
            ReplyKind::TransactionBegun => {}
            ReplyKind::Added => match outcome {
                // The user has no right to MULTI, so the command ran by itself. Its EXEC will fail.
                Ok(Reply::Bulk(entry)) => {
                    if let Some(producer) = self.producers.get(ticket.index & !LAST) {
                        producer.on_reply(ticket, Ok(Reply::Bulk(entry)));
                    }
                    let request = ticket.id as RequestId;
                    self.host.event(Event::Value { request, index: 0, payload: Payload::Missing });
                }
                outcome => self.answer(kind, ticket, outcome),
            },
            ReplyKind::SentInTransaction => {
                let tag = ReplyTag { kind: ReplyKind::Sent as u8, ..ticket };
                match outcome_of_transaction(outcome) {
                    Ok(Some(entry)) => self.reply(tag, Ok(Reply::Bulk(entry))),
                    Ok(None) => self.reply(tag, Ok(Reply::Nil)),
                    Err(error) => self.reply(tag, Err(error)),
                }
            }
            ReplyKind::Sent => {
                if let (Ok(Reply::Bulk(entry)), Some(producer)) =
                    (&outcome, self.producers.get(ticket.index & !LAST))
                {
                    producer.on_reply(ticket, Ok(Reply::Bulk(entry)));
                }
                let ticket = ReplyTag { index: LAST, ..ticket };
                self.answer(kind, ticket, outcome);
            }
            ReplyKind::SentOnce => {
                if let Ok(Reply::Bulk(sent)) = outcome {
                    if let Some(producer) = self.producers.get(ticket.index & !LAST) {
                        producer.on_reply(ticket, Ok(Reply::Bulk(sent)));
                    }
                    let request = ticket.id as RequestId;
                    self.host.event(Event::Value { request, index: 0, payload: Payload::Text(sent) });
                }
                self.answer(kind, ReplyTag { index: LAST, ..ticket }, outcome);
            }
            ReplyKind::SentTogether => {
                let outcome = match self.producers.get(ticket.index & !LAST) {
                    Some(producer) => {
                        producer.on_reply(ticket, outcome.clone());
                        outcome
                    }
                    None => outcome_of_transaction(outcome).map(|_| Reply::Nil),
                };
                self.answer(kind, ReplyTag { index: LAST, ..ticket }, outcome);
            }
            _ => self.answer(kind, ticket, outcome),
        }
    }

    fn burst_end(&self) {
        self.host.wake();
    }
}
